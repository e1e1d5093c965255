#pragma once

#include <cstddef>

#include <Eigen/Core>

#include "freshet/core/matrix_view.hpp"

/// @file
/// Eigen matrices where the library wants rows, and back, without a copy. Not part of
/// `freshet.hpp`: include it where Eigen is used.

namespace freshet {

/// A matrix of doubles as Eigen keeps it row by row.
using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// `matrix` (rows = observations) as a view; it must outlive the view. A matrix that is stored
/// column by column is copied into a temporary, so pass a row-major one.
[[nodiscard]] inline MatrixView as_view(
    const Eigen::Ref<const RowMajorMatrix, 0, Eigen::OuterStride<>>& matrix) noexcept {
  return {matrix.data(), static_cast<std::size_t>(matrix.rows()),
          static_cast<std::size_t>(matrix.cols()), static_cast<std::size_t>(matrix.outerStride())};
}

/// `vector` as a row; it must outlive the view.
[[nodiscard]] inline RowView as_row(const Eigen::Ref<const Eigen::VectorXd>& vector) noexcept {
  return {vector.data(), static_cast<std::size_t>(vector.size())};
}

/// `view` as an Eigen matrix, for reading.
[[nodiscard]] inline auto as_eigen(MatrixView view) noexcept {
  return Eigen::Map<const RowMajorMatrix, 0, Eigen::OuterStride<>>(
      view.data(), static_cast<Eigen::Index>(view.n_rows()),
      static_cast<Eigen::Index>(view.n_columns()),
      Eigen::OuterStride<>(static_cast<Eigen::Index>(view.row_stride())));
}

}  // namespace freshet
