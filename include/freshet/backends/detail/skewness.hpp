#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "freshet/backends/detail/summation.hpp"
#include "freshet/core/matrix_view.hpp"

/// @file
/// The sign of a column's skewness: of the training rows, as SciPy computes it, and of the
/// training rows joined by one new row, in constant time.

namespace freshet::backendsdetail {

/// The sums over a column's rows of `term(x, column)`, in NumPy's order of additions: row by row
/// for several columns, as one contiguous sum for a single column.
template <class Term>
[[nodiscard]] std::vector<double> column_sums(MatrixView rows, const Term& term) {
  std::vector<double> sums(rows.n_columns());
  if (rows.n_columns() == 1) {
    sums[0] = numpy_sum(0, rows.n_rows(), [&](std::size_t first, std::size_t n, double* out) {
      for (std::size_t i = 0; i < n; ++i) out[i] = term(rows(first + i, 0), 0);
    });
    return sums;
  }
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    const RowView row = rows.row(i);
    for (std::size_t j = 0; j < row.size(); ++j) sums[j] += term(row[j], j);
  }
  return sums;
}

/// The sign (-1, 0 or 1) of each column's skewness, 0 where it is undefined. The arithmetic is
/// that of `scipy.stats.skew`, operation by operation, because the sign of a skewness that is
/// zero but for rounding decides scores.
[[nodiscard]] inline std::vector<int> skewness_signs(MatrixView rows) {
  const auto n = static_cast<double>(rows.n_rows());
  std::vector<double> means = column_sums(rows, [](double x, std::size_t) { return x; });
  for (double& mean : means) mean /= n;
  const double* mean_of = means.data();
  const std::vector<double> squares = column_sums(rows, [mean_of](double x, std::size_t j) {
    const double deviation = x - mean_of[j];
    return deviation * deviation;
  });
  const std::vector<double> cubes = column_sums(rows, [mean_of](double x, std::size_t j) {
    const double deviation = x - mean_of[j];
    return deviation * deviation * deviation;
  });
  std::vector<int> signs(rows.n_columns());
  for (std::size_t j = 0; j < signs.size(); ++j) {
    const double resolution = std::numeric_limits<double>::epsilon() * means[j];
    const double second = squares[j] / n;
    if (second <= resolution * resolution) continue;
    const double skewness = cubes[j] / n / std::pow(second, 1.5);
    signs[j] = static_cast<int>(skewness > 0.0) - static_cast<int>(skewness < 0.0);
  }
  return signs;
}

/// What is needed of a column to tell how one more value would skew it.
///
/// The deviations are taken from a value of the column, so that those of integers are integers
/// and a skewness that is exactly zero comes out as zero; scaled by a power of two, which is
/// exact, so that their cubes neither overflow nor vanish.
class ColumnMoments {
 public:
  ColumnMoments() = default;

  /// Of a column in ascending order, at least one value.
  explicit ColumnMoments(std::span<const double> sorted) noexcept
      : center_(sorted[sorted.size() / 2]), n_joined_(static_cast<double>(sorted.size() + 1)) {
    const double reach = std::max(center_ - sorted.front(), sorted.back() - center_);
    // Limited so that the power of two is itself a normal number.
    if (reach > 0.0) scale_ = std::ldexp(1.0, std::clamp(-std::ilogb(reach), -1000, 1000));
    scaled_center_ = center_ * scale_;
    for (const double x : sorted) {
      const double z = (x - center_) * scale_;
      sum_ += z;
      squares_ += z * z;
      cubes_ += z * z * z;
    }
  }

  /// The sign of the skewness of the column joined by `x`; 0 when it is zero up to the rounding
  /// of the sums, or undefined because all values agree to the precision of a double.
  [[nodiscard]] int sign_with(double x) const noexcept {
    // Farther out `x` alone decides the sign; the limit keeps its cube finite.
    constexpr double farthest = 0x1p100;
    constexpr double rounding = 1e-13;
    const double n = n_joined_;
    const double z = std::clamp((x - center_) * scale_, -farthest, farthest);
    const double sum = sum_ + z;
    const double squares = squares_ + z * z;
    const double cubes = cubes_ + z * z * z;
    const double cubes_part = n * n * cubes;
    const double mixed_part = 3.0 * n * sum * squares;
    const double sum_part = 2.0 * sum * sum * sum;
    const double third = cubes_part - mixed_part + sum_part;
    const double magnitude = std::abs(cubes_part) + std::abs(mixed_part) + std::abs(sum_part);
    if (std::abs(third) <= rounding * magnitude) return 0;
    const double resolution = std::numeric_limits<double>::epsilon() * (n * scaled_center_ + sum);
    if (n * squares - sum * sum <= resolution * resolution) return 0;
    return third > 0.0 ? 1 : -1;
  }

  friend bool operator==(const ColumnMoments&, const ColumnMoments&) = default;

  /// Reads or writes the moments; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(center_, scale_, scaled_center_, n_joined_, sum_, squares_, cubes_);
  }

 private:
  double center_ = 0.0;
  double scale_ = 1.0;
  double scaled_center_ = 0.0;
  double n_joined_ = 1.0;  // the number of values including the new one
  double sum_ = 0.0;       // of the scaled deviations, of their squares and of their cubes
  double squares_ = 0.0;
  double cubes_ = 0.0;
};

}  // namespace freshet::backendsdetail
