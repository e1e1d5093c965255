#pragma once

#include <cstdint>
#include <string_view>

/// @file
/// The precision of a backend that offers a choice.

namespace freshet {

/// The numbers that a network computes with.
enum class Dtype : std::uint8_t { float32, float64 };

/// The name used in configurations, as NumPy and PyTorch have it: "float32" or "float64".
[[nodiscard]] constexpr std::string_view to_string(Dtype dtype) noexcept {
  return dtype == Dtype::float64 ? "float64" : "float32";
}

}  // namespace freshet
