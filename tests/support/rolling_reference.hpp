#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace test_support {

/// What a window holds, computed plainly.
struct WindowStatistics {
  double mean;
  double std;
  double min;
  double max;
  double magnitude;  ///< The largest absolute value: what rounding errors of the mean scale with.
};

/// Two passes in long double over the last `window` of `values`, which is at least one.
inline WindowStatistics two_pass(std::span<const double> values, std::size_t window) {
  values = values.last(std::min(window, values.size()));
  const auto n = static_cast<long double>(values.size());
  long double sum = 0.0L;
  for (const double value : values) sum += value;
  const long double mean = sum / n;
  long double squares = 0.0L;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  return {static_cast<double>(mean),
          values.size() < 2 ? 0.0 : static_cast<double>(std::sqrt(squares / (n - 1.0L))), *min,
          *max, std::max(std::abs(*min), std::abs(*max))};
}

/// Whether the four rolling features at `features` are those of `expected`: minimum and maximum
/// exactly, the rest to 1e-12, the mean relative to the largest value where values cancel out.
inline bool agrees(const double* features, const WindowStatistics& expected) {
  constexpr double tolerance = 1e-12;
  return std::abs(features[0] - expected.mean) <= tolerance * expected.magnitude &&
         std::abs(features[1] - expected.std) <= tolerance * expected.std &&
         features[2] == expected.min && features[3] == expected.max;
}

}  // namespace test_support
