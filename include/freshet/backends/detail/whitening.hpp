#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "freshet/core/matrix_view.hpp"
#include "freshet/core/validate.hpp"

/// @file
/// Rows in units of a covariance: Mahalanobis distances.

namespace freshet::backendsdetail {

/// A linear map W, lower triangular, that makes rows of a covariance C uncorrelated with variance
/// one: W' W is the inverse of C. A column that does not vary, or that the ones before it determine
/// (but for 1e-12 of its variance), is left out, so that W' W is a generalized inverse: distances
/// of rows that obey the same relations are those of the pseudo-inverse.
class Whitening {
 public:
  Whitening() = default;

  /// @param covariance  n × n, symmetric and positive semi-definite. O(n³).
  Whitening(std::vector<double> location, MatrixView covariance) : location_(std::move(location)) {
    const std::size_t n = location_.size();
    assert(covariance.n_rows() == n && covariance.n_columns() == n);
    std::vector<double> scale(n);
    for (std::size_t i = 0; i < n; ++i) scale[i] = std::sqrt(covariance(i, i));
    Matrix factor(n, n);   // Cholesky's, of the correlations
    Matrix inverse(n, n);  // of it, without the columns left out
    std::vector<double> row(n);
    for (std::size_t i = 0; i < n; ++i) {
      if (!(scale[i] > least_scale)) continue;
      double pivot = 1.0;
      for (std::size_t k = 0; k < i; ++k) {
        row[k] = 0.0;
        if (factor(k, k) == 0.0) continue;
        double rest = covariance(i, k) / scale[i] / scale[k];
        for (std::size_t m = 0; m < k; ++m) rest -= row[m] * factor(k, m);
        row[k] = rest / factor(k, k);
        pivot -= row[k] * row[k];
      }
      if (!(pivot > least_pivot)) continue;
      const double root = std::sqrt(pivot);
      std::copy_n(row.begin(), i, factor.row(i).begin());
      factor(i, i) = root;
      for (std::size_t k = 0; k < i; ++k) {
        for (std::size_t j = 0; j <= k; ++j) inverse(i, j) -= row[k] * inverse(k, j);
      }
      for (std::size_t j = 0; j < i; ++j) inverse(i, j) /= root;
      inverse(i, i) = 1.0 / root;
      log_determinant_ += 2.0 * (std::log(root) + std::log(scale[i]));
      append(inverse.row(i).first(i + 1), scale);
    }
  }

  [[nodiscard]] std::size_t n_columns() const noexcept { return location_.size(); }
  /// The number of columns not left out.
  [[nodiscard]] std::size_t rank() const noexcept { return rank_; }
  /// Of the covariance of the columns not left out.
  [[nodiscard]] double log_determinant() const noexcept { return log_determinant_; }
  [[nodiscard]] std::span<const double> location() const noexcept { return location_; }

  /// (x − location)' W' W (x − location). O(n · rank), no allocation.
  [[nodiscard]] double squared_distance(RowView row) const noexcept {
    assert(row.size() == location_.size());
    double sum = 0.0;
    const double* weights = weights_.data();
    for (const std::uint32_t width : widths_) {
      const Lanes whitened = whiten(row, weights, width);
      for (const double value : whitened) sum += value * value;
      weights += width * n_lanes;
    }
    // Not std::min, which lets NaN through: so far out that it overflows is far.
    constexpr double largest = std::numeric_limits<double>::max();
    return sum < largest ? sum : largest;
  }

  /// The distance as a sum over the columns: (x − location)_j · (W' W (x − location))_j, which is
  /// below 0 where a column makes the others' deviation less strange.
  void explain(RowView row, std::span<double> contributions) const noexcept {
    assert(row.size() == location_.size() && contributions.size() == location_.size());
    std::fill(contributions.begin(), contributions.end(), 0.0);
    const double* weights = weights_.data();
    for (const std::uint32_t width : widths_) {
      const Lanes whitened = whiten(row, weights, width);
      for (std::size_t j = 0; j < width; ++j, weights += n_lanes) {
        double projected = 0.0;
        for (std::size_t lane = 0; lane < n_lanes; ++lane) {
          projected += weights[lane] * whitened[lane];
        }
        contributions[j] += (row[j] - location_[j]) * projected;
      }
    }
  }

  /// W' W, n × n.
  [[nodiscard]] Matrix precision() const {
    const std::size_t n = n_columns();
    Matrix result(n, n);
    const double* weights = weights_.data();
    for (const std::uint32_t width : widths_) {
      for (std::size_t i = 0; i < width; ++i) {
        for (std::size_t j = 0; j < width; ++j) {
          for (std::size_t lane = 0; lane < n_lanes; ++lane) {
            result(i, j) += weights[i * n_lanes + lane] * weights[j * n_lanes + lane];
          }
        }
      }
      weights += width * n_lanes;
    }
    return result;
  }

  friend bool operator==(const Whitening&, const Whitening&) = default;

  /// Reads or writes it; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(location_, widths_, weights_, rank_, log_determinant_);
    std::size_t n_weights = 0;
    bool is_sound = true;
    for (const std::uint32_t width : widths_) {
      is_sound &= width >= 1 && width <= location_.size();
      n_weights += width * n_lanes;
    }
    const auto within = [](double most) {
      return [most](double value) { return std::abs(value) <= most; };
    };
    archive.require(is_sound && n_weights == weights_.size() && rank_ <= location_.size() &&
                        std::ranges::all_of(location_, within(4.0 * max_magnitude)) &&
                        std::ranges::all_of(weights_, within(largest_weight)),
                    "covariance");
  }

 private:
  static constexpr std::size_t n_lanes = 8;
  static constexpr double least_scale = 1e-40;  // so that squares of scaled values stay finite
  static constexpr double least_pivot = 1e-12;
  static constexpr double largest_weight = 1e50;  // times itself and two deviations: finite
  using Lanes = std::array<double, n_lanes>;

  [[nodiscard]] Lanes whiten(RowView row, const double* weights, std::size_t width) const noexcept {
    Lanes sums{};
    for (std::size_t j = 0; j < width; ++j, weights += n_lanes) {
      const double deviation = row[j] - location_[j];
      for (std::size_t lane = 0; lane < n_lanes; ++lane) sums[lane] += weights[lane] * deviation;
    }
    return sums;
  }

  // Rows of W lie side by side in blocks, so that one deviation is multiplied with all of them.
  void append(std::span<const double> row_of_inverse, std::span<const double> scale) {
    const std::size_t lane = rank_++ % n_lanes;
    if (lane == 0) widths_.push_back(0);
    const std::size_t added = row_of_inverse.size() - widths_.back();
    widths_.back() = static_cast<std::uint32_t>(row_of_inverse.size());
    weights_.resize(weights_.size() + added * n_lanes);
    double* block = weights_.data() + weights_.size() - row_of_inverse.size() * n_lanes;
    for (std::size_t j = 0; j < row_of_inverse.size(); ++j) {
      if (row_of_inverse[j] != 0.0) block[j * n_lanes + lane] = row_of_inverse[j] / scale[j];
    }
  }

  std::vector<double> location_;
  std::vector<std::uint32_t> widths_;  // of each block of eight rows, the columns that it needs
  std::vector<double> weights_;        // by block, column and row
  std::size_t rank_ = 0;
  double log_determinant_ = 0.0;
};

}  // namespace freshet::backendsdetail
