#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/scaling/affine.hpp"

/// @file
/// Scaling of each feature's range to a given one.

namespace freshet {

/// Maps each feature's training range to `low`..`high`, as scikit-learn's MinMaxScaler; values
/// outside of the training range land outside. A feature whose range is below 2.2e-15 is shifted to
/// `low` and multiplied by `high - low`.
struct MinMaxScaler {
  double low = 0.0;   ///< What the least training value becomes; at most 1e100 in magnitude.
  double high = 1.0;  ///< What the largest becomes; above `low` by at least 1e-100.

  /// Throws ConfigurationError naming "feature_range" when the parameters are out of range.
  void validate() const {
    require_parameter(acceptable(low) && acceptable(high) && high - low >= 1.0 / max_magnitude,
                      "feature_range", "two finite numbers, the first less than the second");
  }

  /// One pass over `rows` (at least one, of finite values of at most `max_magnitude`).
  /// O(rows · columns).
  /// @throws FitError when there are no rows, ConfigurationError as `validate`
  [[nodiscard]] AffineTransform fit(MatrixView rows) const {
    validate();
    scalingdetail::require_some_rows(rows);
    const RowView first = rows.row(0);
    std::vector<double> least(first.begin(), first.end());
    std::vector<double> largest = least;
    for (std::size_t i = 1; i < rows.n_rows(); ++i) {
      const RowView row = rows.row(i);
      for (std::size_t j = 0; j < row.size(); ++j) {
        least[j] = std::min(least[j], row[j]);
        largest[j] = std::max(largest[j], row[j]);
      }
    }
    std::vector<double> scale(least.size());
    for (std::size_t j = 0; j < scale.size(); ++j) {
      scale[j] = scalingdetail::scale_of_spread(largest[j] - least[j]) / (high - low);
      least[j] -= low * scale[j];
    }
    return {std::move(least), std::move(scale)};
  }

  friend bool operator==(const MinMaxScaler&, const MinMaxScaler&) = default;
};

}  // namespace freshet
