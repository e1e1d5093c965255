#pragma once

#include <cstdint>
#include <string_view>

/// @file
/// How the scores of several methods become one.

namespace freshet {

/// What is made of standardized scores.
enum class Combination : std::uint8_t {
  average,       ///< Their mean.
  maximization,  ///< The largest.
};

/// The name used in configurations, as PyOD has it.
[[nodiscard]] constexpr std::string_view to_string(Combination combination) noexcept {
  return combination == Combination::maximization ? "maximization" : "average";
}

}  // namespace freshet
