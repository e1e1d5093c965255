#pragma once

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "freshet/core/matrix_view.hpp"
#include "freshet/scaling/affine.hpp"

/// @file
/// Scaling to mean 0 and standard deviation 1.

namespace freshet {

/// Centers each feature at its mean and divides it by its standard deviation (divisor n), as
/// scikit-learn's StandardScaler: a feature whose variance is no larger than the rounding error of
/// computing it is only centered.
struct StandardScaler {
  /// Two passes over `rows` (at least one, of finite values of at most `max_magnitude`), so that
  /// small deviations from a large mean keep their precision. O(rows · columns).
  /// @throws FitError when there are no rows
  [[nodiscard]] AffineTransform fit(MatrixView rows) const {
    scalingdetail::require_some_rows(rows);
    const std::size_t n_columns = rows.n_columns();
    const auto n = static_cast<double>(rows.n_rows());
    const RowView first = rows.row(0);

    // Sums relative to the first row: they stay small where the values are large and alike.
    std::vector<double> center(n_columns);
    for (std::size_t i = 0; i < rows.n_rows(); ++i) {
      const RowView row = rows.row(i);
      for (std::size_t j = 0; j < n_columns; ++j) center[j] += row[j] - first[j];
    }
    for (std::size_t j = 0; j < n_columns; ++j) center[j] = first[j] + center[j] / n;

    // The corrected two-pass algorithm (Chan, Golub and LeVeque 1983): the sum of the deviations
    // makes good for the rounding of the mean.
    std::vector<double> squares(n_columns);
    std::vector<double> deviations(n_columns);
    for (std::size_t i = 0; i < rows.n_rows(); ++i) {
      const RowView row = rows.row(i);
      for (std::size_t j = 0; j < n_columns; ++j) {
        const double deviation = row[j] - center[j];
        squares[j] += deviation * deviation;
        deviations[j] += deviation;
      }
    }
    std::vector<double> scale(n_columns);
    for (std::size_t j = 0; j < n_columns; ++j) {
      const double variance = (squares[j] - deviations[j] * deviations[j] / n) / n;
      scale[j] = negligible(variance, center[j], n) ? 1.0 : std::sqrt(variance);
    }
    return {std::move(center), std::move(scale)};
  }

  friend bool operator==(const StandardScaler&, const StandardScaler&) = default;

 private:
  /// Whether rounding alone explains `variance`: the error bound of the two-pass algorithm.
  static bool negligible(double variance, double mean, double n) noexcept {
    constexpr double epsilon = 0x1.0p-52;
    const double of_mean = n * mean * epsilon;
    return variance <= n * epsilon * variance + of_mean * of_mean;
  }
};

}  // namespace freshet
