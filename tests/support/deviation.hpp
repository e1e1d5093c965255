#pragma once

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

/// @file
/// How far numbers are from those expected.

namespace freshet::test {

/// The largest difference over the largest magnitude expected; infinite where there is a NaN, which
/// std::max would overlook, or another number of values.
template <class Found, class Expected>
double deviation(const Found& found, const Expected& expected) {
  constexpr double wrong = std::numeric_limits<double>::infinity();
  if (std::size(found) != std::size(expected)) return wrong;
  double difference = 0.0;
  double magnitude = 0.0;
  auto one = std::begin(expected);
  for (const auto value : found) {
    const auto other = static_cast<double>(*one++);
    const double distance = std::abs(static_cast<double>(value) - other);
    if (std::isnan(distance)) return wrong;
    difference = std::max(difference, distance);
    magnitude = std::max(magnitude, std::abs(other));
  }
  return difference == 0.0 ? 0.0 : difference / magnitude;
}

}  // namespace freshet::test
