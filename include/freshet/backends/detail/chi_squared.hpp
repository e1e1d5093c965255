#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>

/// @file
/// The distribution of squared Mahalanobis distances of normal rows.

namespace freshet::backendsdetail {

/// The share of a chi-squared distribution that is at most `x`. O(degrees).
/// @param degrees of freedom, at least 1.
[[nodiscard]] inline double chi_squared_cdf(double x, std::size_t degrees) noexcept {
  if (!(x > 0.0)) return 0.0;
  if (std::isinf(x)) return 1.0;
  const double half = 0.5 * x;
  // From two degrees fewer to the next, beginning with the one or two whose share is elementary.
  const bool is_odd = degrees % 2 == 1;
  double share = is_odd ? std::erf(std::sqrt(half)) : -std::expm1(-half);
  double log_step = std::log(half) - half;
  if (is_odd) log_step = 0.5 * std::log(4.0 * half * std::numbers::inv_pi) - half;
  for (std::size_t k = is_odd ? 3 : 4; k <= degrees; k += 2) {
    share -= std::exp(log_step);
    log_step += std::log(half / (0.5 * static_cast<double>(k)));
  }
  return share > 0.0 ? share : 0.0;
}

/// The value that a `share` of a chi-squared distribution is below; infinite for 1.
[[nodiscard]] inline double chi_squared_quantile(double share, std::size_t degrees) noexcept {
  if (share >= 1.0) return std::numeric_limits<double>::infinity();
  double low = 0.0;
  double high = static_cast<double>(degrees);
  while (chi_squared_cdf(high, degrees) < share) high *= 2.0;
  for (;;) {
    const double middle = 0.5 * (low + high);
    if (!(low < middle && middle < high)) return high;
    (chi_squared_cdf(middle, degrees) < share ? low : high) = middle;
  }
}

/// What a covariance is multiplied with, that was taken of the `share` of rows which are nearest to
/// the centre, to be that of all of them if they are normal (Croux and Haesbroeck, 1999).
[[nodiscard]] inline double consistency_factor(double share, std::size_t n_columns) noexcept {
  if (share >= 1.0) return 1.0;
  return share / chi_squared_cdf(chi_squared_quantile(share, n_columns), n_columns + 2);
}

}  // namespace freshet::backendsdetail
