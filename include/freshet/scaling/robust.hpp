#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/percentile.hpp"
#include "freshet/scaling/affine.hpp"

/// @file
/// Scaling by statistics that outliers do not move.

namespace freshet {

/// Centers each feature at its median and divides it by the distance of two percentiles, by default
/// the interquartile range, as scikit-learn's RobustScaler: a feature where that is below 2.2e-15
/// is only centered. Percentiles are NumPy's, with linear interpolation.
struct RobustScaler {
  double low_percent = 25.0;   ///< 0 <= low_percent <= high_percent
  double high_percent = 75.0;  ///< low_percent <= high_percent <= 100

  /// Throws ConfigurationError naming "quantile_range" when the parameters are out of range.
  void validate() const {
    require_parameter(low_percent >= 0.0 && low_percent <= high_percent && high_percent <= 100.0,
                      "quantile_range", "two percentages from 0 to 100 in ascending order");
  }

  /// Sorts each column of `rows` (at least one, of finite values of at most `max_magnitude`).
  /// O(columns · rows · log(rows)).
  /// @throws FitError when there are no rows, ConfigurationError as `validate`
  [[nodiscard]] AffineTransform fit(MatrixView rows) const {
    validate();
    scalingdetail::require_some_rows(rows);
    std::vector<double> center(rows.n_columns());
    std::vector<double> scale(rows.n_columns());
    std::vector<double> column(rows.n_rows());
    for (std::size_t j = 0; j < rows.n_columns(); ++j) {
      for (std::size_t i = 0; i < rows.n_rows(); ++i) column[i] = rows(i, j);
      std::sort(column.begin(), column.end());
      // numpy.median averages the two in the middle, which may differ from the 50th percentile in
      // the last bit.
      center[j] = 0.5 * (column[(column.size() - 1) / 2] + column[column.size() / 2]);
      scale[j] = scalingdetail::scale_of_spread(percentile_of_sorted(column, high_percent) -
                                                percentile_of_sorted(column, low_percent));
    }
    return {std::move(center), std::move(scale)};
  }

  friend bool operator==(const RobustScaler&, const RobustScaler&) = default;
};

}  // namespace freshet
