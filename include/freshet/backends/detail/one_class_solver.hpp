#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "freshet/backends/detail/support_vectors.hpp"
#include "freshet/core/cancellation.hpp"
#include "freshet/core/matrix_view.hpp"

/// @file
/// The quadratic programme of the one-class support vector machine.

namespace freshet::backendsdetail {

/// The kernels of all pairs of rows, a row of them at a time; those asked for last are kept.
class KernelRows {
 public:
  KernelRows(MatrixView rows, const KernelFunction& kernel)
      : rows_(rows),
        kernel_(kernel),
        kept_(rows.n_rows()),
        n_most_(std::max<std::size_t>(max_bytes / (sizeof(double) * rows.n_rows()), 2)) {}

  /// The kernels of row `i` with all others; valid until the call after the next.
  [[nodiscard]] std::span<const double> operator[](std::size_t i) {
    std::vector<double>& values = kept_[i].values;
    kept_[i].asked_for = ++clock_;
    if (values.empty()) {
      if (n_kept_ == n_most_) {
        forget();
      } else {
        ++n_kept_;
      }
      values.reserve(rows_.n_rows());
      for (std::size_t k = 0; k < rows_.n_rows(); ++k) values.push_back(kernel_(compare(i, k)));
    }
    return values;
  }

  /// The kernel of row `i` with itself.
  [[nodiscard]] double diagonal(std::size_t i) const noexcept { return kernel_(compare(i, i)); }

 private:
  struct Kept {
    std::vector<double> values;
    std::uint64_t asked_for = 0;
  };

  static constexpr std::size_t max_bytes = std::size_t{200} << 20U;

  [[nodiscard]] double compare(std::size_t i, std::size_t k) const noexcept {
    const RowView left = rows_.row(i);
    const RowView right = rows_.row(k);
    double sum = 0.0;
    for (std::size_t j = 0; j < left.size(); ++j) {
      const double difference = left[j] - right[j];
      sum += kernel_.of_distance() ? difference * difference : left[j] * right[j];
    }
    return sum;
  }

  void forget() {
    Kept* oldest = nullptr;
    for (Kept& one : kept_) {
      const bool is_older = oldest == nullptr || one.asked_for < oldest->asked_for;
      if (!one.values.empty() && is_older) oldest = &one;
    }
    std::vector<double>().swap(oldest->values);
  }

  MatrixView rows_;
  KernelFunction kernel_;
  std::vector<Kept> kept_;
  std::size_t n_kept_ = 0;
  std::size_t n_most_;
  std::uint64_t clock_ = 0;
};

/// Coefficients between 0 and 1, one for each row, and what their sum of kernels is held against.
struct OneClassSolution {
  std::vector<double> coefficients;
  double offset = 0.0;
};

/// Minimizes ½ Σ_ij a_i a_j k(x_i, x_j) with 0 ≤ a_i ≤ 1 and Σ a_i = nu · rows, by sequential
/// minimal optimization: two coefficients at a time, chosen by second-order information (Fan, Chen
/// and Lin, "Working Set Selection Using Second Order Information", JMLR 6, 2005).
/// @param tolerance  by how much the optimality conditions may be violated at the end, besides what
///                   rounding makes of them
/// @param max_steps  after which the coefficients are taken as they are
class OneClassSolver {
 public:
  OneClassSolver(MatrixView rows, const KernelFunction& kernel, double nu)
      : kernels_(rows, kernel), a_(rows.n_rows()), gradient_(rows.n_rows()) {
    for (std::size_t i = 0; i < a_.size(); ++i) diagonal_.push_back(kernels_.diagonal(i));
    const double sum = nu * static_cast<double>(a_.size());
    for (std::size_t i = 0; i < a_.size() && static_cast<double>(i) < sum; ++i) {
      a_[i] = std::min(sum - static_cast<double>(i), 1.0);
      const std::span<const double> kernels = kernels_[i];
      for (std::size_t k = 0; k < a_.size(); ++k) gradient_[k] += a_[i] * kernels[k];
    }
  }

  [[nodiscard]] OneClassSolution solve(double tolerance, std::size_t max_steps,
                                       const std::stop_token& stop = {}) && {
    // What rounding makes of sums of kernels, which no step lessens.
    double largest_kernel = 0.0;
    for (const double kernel : diagonal_)
      largest_kernel = std::max(largest_kernel, std::abs(kernel));
    const double rounding = std::numeric_limits<double>::epsilon() * largest_kernel *
                            std::accumulate(a_.begin(), a_.end(), 0.0);
    tolerance = std::max(tolerance, rounding);
    for (std::size_t step = 0; step < max_steps; ++step) {
      require_not_cancelled(stop, "step", step + 1);
      const auto pair = select(tolerance);
      if (!pair) break;
      shift(pair->first, pair->second);
    }
    const double reached = offset();
    return {std::move(a_), reached};
  }

 private:
  // The row whose coefficient should most grow, and the one whose decrease gains most with it.
  [[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> select(double tolerance) {
    double least = std::numeric_limits<double>::infinity();
    double largest = -std::numeric_limits<double>::infinity();
    std::size_t grows = a_.size();
    for (std::size_t k = 0; k < a_.size(); ++k) {
      if (a_[k] < 1.0 && gradient_[k] < least) {
        least = gradient_[k];
        grows = k;
      }
      if (a_[k] > 0.0) largest = std::max(largest, gradient_[k]);
    }
    if (grows == a_.size() || !(largest - least >= tolerance)) return std::nullopt;
    const std::span<const double> kernels = kernels_[grows];
    double best = -1.0;
    std::size_t shrinks = a_.size();
    for (std::size_t k = 0; k < a_.size(); ++k) {
      const double difference = gradient_[k] - least;
      if (!(a_[k] > 0.0) || !(difference > 0.0)) continue;
      const double gain = difference * (difference / curvature(grows, k, kernels[k]));
      if (gain > best) {
        best = gain;
        shrinks = k;
      }
    }
    if (shrinks == a_.size()) return std::nullopt;
    return std::pair{grows, shrinks};
  }

  [[nodiscard]] double curvature(std::size_t i, std::size_t k, double kernel) const noexcept {
    return std::max(diagonal_[i] + diagonal_[k] - 2.0 * kernel, 1e-12);
  }

  void shift(std::size_t grows, std::size_t shrinks) {
    const std::span<const double> of_grows = kernels_[grows];
    const std::span<const double> of_shrinks = kernels_[shrinks];
    const double most = std::min(1.0 - a_[grows], a_[shrinks]);
    const double best =
        (gradient_[shrinks] - gradient_[grows]) / curvature(grows, shrinks, of_grows[shrinks]);
    const double by = std::min(best, most);
    const double total = a_[grows] + a_[shrinks];
    // At a bound exactly, not but for rounding.
    if (by == a_[shrinks]) {
      a_[shrinks] = 0.0;
      a_[grows] = std::min(total, 1.0);
    } else if (by == most) {
      a_[grows] = 1.0;
      a_[shrinks] = std::max(total - 1.0, 0.0);
    } else {
      a_[grows] += by;
      a_[shrinks] -= by;
    }
    for (std::size_t k = 0; k < a_.size(); ++k) {
      gradient_[k] += by * (of_grows[k] - of_shrinks[k]);
    }
  }

  // The mean gradient of coefficients at no bound, or the middle of what the others allow.
  [[nodiscard]] double offset() const noexcept {
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();
    double sum = 0.0;
    double n_free = 0.0;
    for (std::size_t k = 0; k < a_.size(); ++k) {
      if (a_[k] >= 1.0) {
        low = std::max(low, gradient_[k]);
      } else if (a_[k] <= 0.0) {
        high = std::min(high, gradient_[k]);
      } else {
        sum += gradient_[k];
        n_free += 1.0;
      }
    }
    if (n_free > 0.0) return sum / n_free;
    if (!std::isfinite(high)) return low;  // nu is 1: all coefficients are
    if (!std::isfinite(low)) return high;
    return 0.5 * (low + high);
  }

  KernelRows kernels_;
  std::vector<double> a_;
  std::vector<double> gradient_;
  std::vector<double> diagonal_;
};

}  // namespace freshet::backendsdetail
