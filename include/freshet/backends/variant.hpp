#pragma once

#include <cstdint>
#include <string_view>

#include "freshet/core/error.hpp"

/// @file
/// Which of two readings of a published method a backend follows.

namespace freshet {

/// PyOD departs from the papers in places; each backend's documentation says where.
enum class Variant : std::uint8_t {
  pyod,   ///< The numbers of PyOD, its departures included.
  paper,  ///< The method as published.
};

/// The name used in configurations: "pyod" or "paper".
[[nodiscard]] constexpr std::string_view to_string(Variant variant) noexcept {
  return variant == Variant::paper ? "paper" : "pyod";
}

/// Throws ConfigurationError unless `variant` is one of the two.
inline void require_variant(Variant variant) {
  require_parameter(variant <= Variant::paper, "variant", R"("pyod" or "paper")");
}

}  // namespace freshet
