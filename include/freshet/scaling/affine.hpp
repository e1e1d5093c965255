#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/validate.hpp"

/// @file
/// What every scaler yields when it is fitted.

namespace freshet {

/// A fitted scaling: feature `j` becomes `(x - center[j]) / scale[j]`. Immutable, a value type.
class AffineTransform {
 public:
  /// The least scale: values of at most `max_magnitude` stay finite when divided by it.
  static constexpr double smallest_scale = 1e-200;

  /// Of no features; something to restore into.
  AffineTransform() = default;

  /// @param center  one finite value per feature, in the feature's unit
  /// @param scale   as many positive finite values of at least `smallest_scale`
  /// @throws ConfigurationError naming "center" or "scale"
  AffineTransform(std::vector<double> center, std::vector<double> scale)
      : center_(std::move(center)), scale_(std::move(scale)) {
    require_parameter(std::all_of(center_.begin(), center_.end(), is_center), "center",
                      "finite numbers");
    require_parameter(
        scale_.size() == center_.size() && std::all_of(scale_.begin(), scale_.end(), is_scale),
        "scale", "as many positive finite numbers as there are centers");
  }

  /// The transform that changes nothing.
  [[nodiscard]] static AffineTransform identity(std::size_t n_features) {
    return {std::vector<double>(n_features, 0.0), std::vector<double>(n_features, 1.0)};
  }

  /// The values of a row.
  [[nodiscard]] std::size_t n_features() const noexcept { return center_.size(); }
  /// What is subtracted, per column.
  [[nodiscard]] std::span<const double> center() const noexcept { return center_; }
  /// What is divided by afterwards, per column.
  [[nodiscard]] std::span<const double> scale() const noexcept { return scale_; }

  /// Writes the scaled `row` to `out`, which may be the same memory; both have `n_features()`
  /// values. O(features).
  void transform(RowView row, std::span<double> out) const noexcept {
    assert(row.size() == n_features() && out.size() == n_features());
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = (row[j] - center_[j]) / scale_[j];
  }

  /// Every row of `rows` (`n_features()` columns) scaled.
  [[nodiscard]] Matrix transform(MatrixView rows) const {
    Matrix scaled(rows.n_rows(), rows.n_columns());
    for (std::size_t i = 0; i < rows.n_rows(); ++i) transform(rows.row(i), scaled.row(i));
    return scaled;
  }

  /// Undoes `transform` up to rounding; `out` may be the same memory as `row`.
  void inverse_transform(RowView row, std::span<double> out) const noexcept {
    assert(row.size() == n_features() && out.size() == n_features());
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = row[j] * scale_[j] + center_[j];
  }

  friend bool operator==(const AffineTransform&, const AffineTransform&) = default;

  /// Reads or writes the transform; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(center_, scale_);
    archive.require(center_.size() == scale_.size() &&
                        std::all_of(center_.begin(), center_.end(), is_center) &&
                        std::all_of(scale_.begin(), scale_.end(), is_scale),
                    "scaler");
  }

 private:
  static bool is_center(double value) noexcept { return std::isfinite(value); }
  static bool is_scale(double value) noexcept {
    return std::isfinite(value) && value >= smallest_scale;
  }

  std::vector<double> center_;
  std::vector<double> scale_;
};

namespace scalingdetail {

/// Throws FitError when there is no row to fit a scaler to.
inline void require_some_rows(MatrixView rows) {
  if (!rows.empty()) return;
  throw FitError(ErrorCode::fit_failed, "a scaler cannot be fitted to no rows", "rows",
                 "at least one row");
}

/// A spread that rounding alone could have made scales nothing: scikit-learn's rule for ranges.
[[nodiscard]] inline double scale_of_spread(double spread) noexcept {
  constexpr double negligible = 10.0 * 0x1.0p-52;
  return spread < negligible ? 1.0 : spread;
}

}  // namespace scalingdetail

}  // namespace freshet
