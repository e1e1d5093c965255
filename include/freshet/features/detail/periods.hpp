#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "freshet/core/error.hpp"

/// @file
/// What windows, lags and column counts may be, and the table of reciprocals they need.

namespace freshet::featuresdetail {

/// Bounds that keep sizes computed from a configuration or a snapshot far from overflow.
inline constexpr std::size_t largest_period = std::size_t{1} << 24U;
inline constexpr std::size_t largest_width = std::size_t{1} << 24U;

[[nodiscard]] inline bool valid_width(std::size_t n_columns) noexcept {
  return n_columns >= 1 && n_columns <= largest_width;
}

/// Whether each period is in range and no two are equal.
[[nodiscard]] inline bool valid_periods(std::span<const std::size_t> periods) {
  std::vector<std::size_t> sorted(periods.begin(), periods.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted.empty() || (sorted.front() >= 1 && sorted.back() <= largest_period &&
                            std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
}

[[nodiscard]] inline std::size_t longest(std::span<const std::size_t> periods) noexcept {
  return periods.empty() ? 0 : *std::max_element(periods.begin(), periods.end());
}

/// Throws ConfigurationError unless the arguments of a feature generator are valid.
inline void require_valid(std::size_t n_columns, std::span<const std::size_t> periods,
                          std::string_view field) {
  require_parameter(valid_width(n_columns), "n_columns", "an integer from 1 to 16777216");
  require_parameter(valid_periods(periods), field, "different integers, each from 1 to 16777216");
}

/// 1 / n for n up to the longest period; 0 for n = 0.
[[nodiscard]] inline std::vector<double> reciprocals(std::span<const std::size_t> periods) {
  std::vector<double> table(longest(periods) + 1);
  for (std::size_t n = 1; n < table.size(); ++n) table[n] = 1.0 / static_cast<double>(n);
  return table;
}

}  // namespace freshet::featuresdetail
