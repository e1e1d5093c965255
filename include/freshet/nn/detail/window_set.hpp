#pragma once

#include <cstddef>
#include <span>

#include "freshet/core/matrix_view.hpp"
#include "freshet/nn/detail/workspace.hpp"
#include "freshet/scaling/affine.hpp"

/// @file
/// The windows a network is trained on, scaled.

namespace freshet::nn::detail {

/// Scaled windows. Those that overlap in memory, as all windows of one series do, are scaled and
/// kept once: a series takes no more memory than its rows.
template <class Scalar>
class WindowSet {
 public:
  /// @param windows  rows of whole steps of `scaler.n_features()` columns
  WindowSet(MatrixView windows, const AffineTransform& scaler)
      : n_windows_(static_cast<Index>(windows.n_rows())),
        n_columns_(static_cast<Index>(scaler.n_features())),
        width_(static_cast<Index>(windows.n_columns())) {
    const auto stride = static_cast<Index>(windows.row_stride());
    if (stride < width_ && stride % n_columns_ == 0) {
      stride_ = stride;
      const Index n_values = (n_windows_ - 1) * stride + width_;
      append({windows.data(), static_cast<std::size_t>(n_values)}, scaler);
    } else {
      stride_ = width_;
      for (std::size_t i = 0; i < windows.n_rows(); ++i) append(windows.row(i), scaler);
    }
  }

  [[nodiscard]] Index size() const noexcept { return n_windows_; }
  [[nodiscard]] Index n_columns() const noexcept { return n_columns_; }
  [[nodiscard]] Index n_steps() const noexcept { return width_ / n_columns_; }

  /// Writes the windows `chosen` side by side: steps × windows × columns.
  void gather(std::span<const Index> chosen, Scalar* out) const noexcept {
    for (Index step = 0; step < n_steps(); ++step) {
      for (const Index window : chosen) {
        const Scalar* row = values_.data() + window * stride_ + step * n_columns_;
        for (Index column = 0; column < n_columns_; ++column) *out++ = row[column];
      }
    }
  }

 private:
  void append(RowView values, const AffineTransform& scaler) {
    const std::span<const double> center = scaler.center();
    const std::span<const double> scale = scaler.scale();
    std::size_t column = 0;
    values_.reserve(values_.size() + values.size());
    for (const double value : values) {
      values_.push_back(static_cast<Scalar>((value - center[column]) / scale[column]));
      if (++column == center.size()) column = 0;
    }
  }

  Index n_windows_;
  Index n_columns_;
  Index width_;
  Index stride_ = 0;
  AlignedVector<Scalar> values_;
};

}  // namespace freshet::nn::detail
