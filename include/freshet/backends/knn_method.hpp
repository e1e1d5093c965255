#pragma once

#include <cstdint>
#include <string_view>

#include "freshet/core/error.hpp"

/// @file
/// Which of the distances to its neighbors is a row's score.

namespace freshet {

/// What KNN makes of the distances to the nearest rows.
enum class KnnMethod : std::uint8_t {
  largest,  ///< That to the last of them.
  mean,     ///< Their mean.
  median,   ///< Their median.
};

/// The name used in configurations: "largest", "mean" or "median".
[[nodiscard]] constexpr std::string_view to_string(KnnMethod method) noexcept {
  switch (method) {
    case KnnMethod::mean:
      return "mean";
    case KnnMethod::median:
      return "median";
    case KnnMethod::largest:
      break;
  }
  return "largest";
}

/// Throws ConfigurationError unless `method` is one of the three.
inline void require_method(KnnMethod method) {
  require_parameter(method <= KnnMethod::median, "method", R"("largest", "mean" or "median")");
}

}  // namespace freshet
