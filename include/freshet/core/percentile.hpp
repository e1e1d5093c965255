#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Percentiles with linear interpolation, to the bit as `numpy.percentile` computes them.

namespace freshet {

/// The `percent`-th percentile (0..100) of values in ascending order; at least one value. O(1).
[[nodiscard]] inline double percentile_of_sorted(std::span<const double> sorted,
                                                 double percent) noexcept {
  assert(!sorted.empty() && percent >= 0.0 && percent <= 100.0);
  const auto last = static_cast<double>(sorted.size() - 1);
  const double position = percent / 100.0 * last;
  const auto below = static_cast<std::size_t>(position);
  if (below + 1 >= sorted.size()) return sorted.back();
  const double fraction = position - static_cast<double>(below);
  const double step = sorted[below + 1] - sorted[below];
  // NumPy interpolates from the nearer end; the same here, so that thresholds agree to the bit.
  return fraction >= 0.5 ? sorted[below + 1] - step * (1.0 - fraction)
                         : sorted[below] + step * fraction;
}

/// The `percent`-th percentile (0..100) of `values` in any order; at least one value.
/// O(n log n), copies the values.
[[nodiscard]] inline double percentile(std::span<const double> values, double percent) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return percentile_of_sorted(sorted, percent);
}

}  // namespace freshet
