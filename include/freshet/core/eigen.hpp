#pragma once

#include <cassert>
#include <concepts>
#include <cstddef>

#include <Eigen/Core>

#include "freshet/core/matrix_view.hpp"

/// @file
/// Eigen matrices where the library wants rows, and back, without a copy. Not part of
/// `freshet.hpp`: include it where Eigen is used.

namespace freshet {

/// A matrix of doubles as Eigen keeps it row by row.
using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// What can be seen without a copy: doubles in memory (not an expression still to be evaluated)
/// whose rows are contiguous, that is row-major matrices, their blocks, and column vectors.
template <class Derived>
concept EigenRows =
    std::same_as<typename Derived::Scalar, double> &&
    (static_cast<unsigned>(Derived::Flags) & Eigen::DirectAccessBit) != 0 &&
    (static_cast<bool>(Derived::IsRowMajor) || static_cast<int>(Derived::ColsAtCompileTime) == 1);

/// `matrix` (rows = observations) as a view; the memory must outlive the view. Does not compile
/// for matrices that Eigen keeps column by column, as `Eigen::MatrixXd`: evaluate those into a
/// RowMajorMatrix first.
template <class Derived>
  requires EigenRows<Derived>
[[nodiscard]] MatrixView as_view(const Eigen::MatrixBase<Derived>& matrix) noexcept {
  const Derived& rows = matrix.derived();
  const bool is_row_major = static_cast<bool>(Derived::IsRowMajor);
  assert(!is_row_major || rows.innerStride() == 1);
  const Eigen::Index stride = is_row_major ? rows.outerStride() : rows.innerStride();
  return {rows.data(), static_cast<std::size_t>(rows.rows()), static_cast<std::size_t>(rows.cols()),
          static_cast<std::size_t>(stride)};
}

/// A vector, of either kind, as a row; its memory must outlive the view.
template <class Derived>
  requires(EigenRows<Derived> && static_cast<bool>(Derived::IsVectorAtCompileTime))
[[nodiscard]] RowView as_row(const Eigen::MatrixBase<Derived>& vector) noexcept {
  assert(vector.derived().innerStride() == 1);
  return {vector.derived().data(), static_cast<std::size_t>(vector.size())};
}

/// `view` as an Eigen matrix, for reading.
[[nodiscard]] inline auto as_eigen(MatrixView view) noexcept {
  return Eigen::Map<const RowMajorMatrix, 0, Eigen::OuterStride<>>(
      view.data(), static_cast<Eigen::Index>(view.n_rows()),
      static_cast<Eigen::Index>(view.n_columns()),
      Eigen::OuterStride<>(static_cast<Eigen::Index>(view.row_stride())));
}

}  // namespace freshet
