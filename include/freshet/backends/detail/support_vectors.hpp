#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "freshet/backends/kernel.hpp"
#include "freshet/core/matrix_view.hpp"

/// @file
/// Sums of kernels over rows that are kept.

namespace freshet::backendsdetail {

/// A kernel with its parameters.
struct KernelFunction {
  Kernel kernel = Kernel::rbf;
  double gamma = 1.0;
  double coef0 = 0.0;
  std::size_t degree = 3;

  /// Whether it is of the rows' distance, and not of their product.
  [[nodiscard]] bool of_distance() const noexcept { return kernel == Kernel::rbf; }

  /// Its value where the rows' squared distance or product is `u`; bounded, so that sums are
  /// finite.
  [[nodiscard]] double operator()(double u) const noexcept {
    switch (kernel) {
      case Kernel::rbf:
        return std::exp(-gamma * u);
      case Kernel::linear:
        return bounded(u);
      case Kernel::sigmoid:
        return std::tanh(bounded(gamma * u + coef0));
      case Kernel::poly:
        break;
    }
    const double base = bounded(gamma * u + coef0);
    double power = 1.0;
    for (std::size_t i = 0; i < degree; ++i) power = bounded(power * base);
    return power;
  }

  friend bool operator==(const KernelFunction&, const KernelFunction&) = default;

  /// Reads or writes it; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(kernel, gamma, coef0, degree);
    archive.require(kernel <= Kernel::sigmoid && gamma >= 0.0 && std::isfinite(gamma) &&
                        std::isfinite(coef0) && degree <= max_degree,
                    "kernel");
  }

  static constexpr std::size_t max_degree = 100;

 private:
  [[nodiscard]] static double bounded(double value) noexcept {
    return std::clamp(value, -1e250, 1e250);
  }
};

/// Rows with coefficients, side by side in blocks of eight.
class SupportVectors {
 public:
  SupportVectors() = default;
  SupportVectors(KernelFunction kernel, std::size_t n_columns)
      : kernel_(kernel), n_columns_(n_columns) {}

  [[nodiscard]] std::size_t n_columns() const noexcept { return n_columns_; }
  [[nodiscard]] std::size_t size() const noexcept { return n_vectors_; }

  void add(RowView row, double coefficient) {
    assert(row.size() == n_columns_);
    const std::size_t lane = n_vectors_++ % n_lanes;
    if (lane == 0) {
      coefficients_.resize(coefficients_.size() + n_lanes);
      values_.resize(values_.size() + n_lanes * n_columns_);
    }
    *(coefficients_.end() - n_lanes + static_cast<std::ptrdiff_t>(lane)) = coefficient;
    double* block = values_.data() + values_.size() - n_lanes * n_columns_;
    for (std::size_t j = 0; j < n_columns_; ++j) block[j * n_lanes + lane] = row[j];
  }

  /// The sum of coefficient · kernel over all vectors. O(vectors · columns), no allocation.
  [[nodiscard]] double sum(RowView row) const noexcept {
    assert(row.size() == n_columns_);
    double sum = 0.0;
    for (std::size_t block = 0; block * n_lanes < coefficients_.size(); ++block) {
      const Lanes compared = compare(row, block);
      for (std::size_t lane = 0; lane < n_lanes; ++lane) {
        sum += coefficients_[block * n_lanes + lane] * kernel_(compared[lane]);
      }
    }
    return sum;
  }

  /// Adds each column's part of the sum to `parts`: what kernels differ from those of rows without
  /// distance (or product), in proportion to the column's part of that distance (or product).
  /// @return what is left, the sum of coefficient · kernel(0).
  [[nodiscard]] double split(RowView row, std::span<double> parts) const noexcept {
    assert(row.size() == n_columns_ && parts.size() == n_columns_);
    const double at_zero = kernel_(0.0);
    double rest = 0.0;
    for (std::size_t block = 0; block * n_lanes < coefficients_.size(); ++block) {
      Lanes slopes = compare(row, block);
      for (std::size_t lane = 0; lane < n_lanes; ++lane) {
        const double coefficient = coefficients_[block * n_lanes + lane];
        const double compared = slopes[lane];
        rest += coefficient * at_zero;
        slopes[lane] =
            compared == 0.0 ? 0.0 : coefficient * ((kernel_(compared) - at_zero) / compared);
      }
      const double* values = values_.data() + block * n_lanes * n_columns_;
      for (std::size_t j = 0; j < n_columns_; ++j, values += n_lanes) {
        for (std::size_t lane = 0; lane < n_lanes; ++lane) {
          parts[j] += slopes[lane] * term(row[j], values[lane]);
        }
      }
    }
    return rest;
  }

  friend bool operator==(const SupportVectors&, const SupportVectors&) = default;

  /// Reads or writes them; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(kernel_, n_columns_, n_vectors_, coefficients_, values_);
    const std::size_t n_padded = coefficients_.size();
    const auto acceptable = [](double value) { return std::abs(value) <= 1e101; };
    archive.require(
        n_padded % n_lanes == 0 && n_vectors_ <= n_padded && n_padded - n_vectors_ < n_lanes &&
            (n_padded == 0
                 ? values_.empty()
                 : values_.size() % n_padded == 0 && values_.size() / n_padded == n_columns_) &&
            std::ranges::all_of(coefficients_, acceptable) &&
            std::ranges::all_of(values_, acceptable),
        "support vectors");
  }

 private:
  static constexpr std::size_t n_lanes = 8;
  using Lanes = std::array<double, n_lanes>;

  [[nodiscard]] double term(double x, double s) const noexcept {
    return kernel_.of_distance() ? (x - s) * (x - s) : x * s;
  }

  // The squared distances or products of a row and eight vectors.
  [[nodiscard]] Lanes compare(RowView row, std::size_t block) const noexcept {
    Lanes sums{};
    const double* values = values_.data() + block * n_lanes * n_columns_;
    const bool of_distance = kernel_.of_distance();
    for (std::size_t j = 0; j < n_columns_; ++j, values += n_lanes) {
      const double x = row[j];
      if (of_distance) {
        for (std::size_t lane = 0; lane < n_lanes; ++lane) {
          const double difference = x - values[lane];
          sums[lane] += difference * difference;
        }
      } else {
        for (std::size_t lane = 0; lane < n_lanes; ++lane) sums[lane] += x * values[lane];
      }
    }
    return sums;
  }

  KernelFunction kernel_;
  std::size_t n_columns_ = 0;
  std::size_t n_vectors_ = 0;
  std::vector<double> coefficients_;  // zeros fill the last block
  std::vector<double> values_;        // by block, column and vector
};

}  // namespace freshet::backendsdetail
