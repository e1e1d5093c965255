#pragma once

#include <cstdint>
#include <string_view>

#include "freshet/core/matrix_view.hpp"
#include "freshet/scaling/affine.hpp"
#include "freshet/scaling/min_max.hpp"
#include "freshet/scaling/robust.hpp"
#include "freshet/scaling/standard.hpp"

/// @file
/// The choice of a scaler at run time.

namespace freshet {

/// How features are scaled before a model sees them.
enum class Scaling : std::uint8_t {
  none,      ///< Not at all.
  standard,  ///< Mean 0 and standard deviation 1, see StandardScaler.
  min_max,   ///< From 0 to 1, see MinMaxScaler.
  robust,    ///< Median 0 and interquartile range 1, see RobustScaler.
};

/// The name used in configurations: "none", "standard", "min_max" or "robust".
[[nodiscard]] constexpr std::string_view to_string(Scaling scaling) noexcept {
  switch (scaling) {
    case Scaling::standard:
      return "standard";
    case Scaling::min_max:
      return "min_max";
    case Scaling::robust:
      return "robust";
    case Scaling::none:
      break;
  }
  return "none";
}

/// The scaling that `scaling`, with its default parameters, learns from `rows` (at least one, of
/// finite values of at most `max_magnitude`); for `Scaling::none` the identity.
/// @throws FitError when there are no rows
[[nodiscard]] inline AffineTransform fit(Scaling scaling, MatrixView rows) {
  switch (scaling) {
    case Scaling::standard:
      return StandardScaler{}.fit(rows);
    case Scaling::min_max:
      return MinMaxScaler{}.fit(rows);
    case Scaling::robust:
      return RobustScaler{}.fit(rows);
    case Scaling::none:
      break;
  }
  return AffineTransform::identity(rows.n_columns());
}

}  // namespace freshet
