#pragma once

#include <cassert>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

/// @file
/// Rows and matrices of doubles: the only shapes in which data crosses the library.

namespace freshet {

/// One row of features: contiguous, not owned. `row.size()` is the number of columns.
using RowView = std::span<const double>;

/// A read-only matrix, row-major, not owned: row `i` is the `n_columns()` values that start at
/// `data() + i * row_stride()`.
///
/// A stride smaller than the number of columns is allowed: the rows then overlap, which is how
/// sliding windows over a series ("shingles") are seen as a matrix without a copy.
class MatrixView {
 public:
  /// The empty matrix.
  constexpr MatrixView() noexcept = default;

  /// `n_rows` × `n_columns` values at `data`, rows `row_stride` values apart.
  constexpr MatrixView(const double* data, std::size_t n_rows, std::size_t n_columns,
                       std::size_t row_stride) noexcept
      : data_(data), n_rows_(n_rows), n_columns_(n_columns), row_stride_(row_stride) {}

  /// `n_rows` × `n_columns` values at `data` without gaps.
  constexpr MatrixView(const double* data, std::size_t n_rows, std::size_t n_columns) noexcept
      : MatrixView(data, n_rows, n_columns, n_columns) {}

  /// The first value of the first row.
  [[nodiscard]] constexpr const double* data() const noexcept { return data_; }
  /// The number of rows.
  [[nodiscard]] constexpr std::size_t n_rows() const noexcept { return n_rows_; }
  /// The number of values of a row.
  [[nodiscard]] constexpr std::size_t n_columns() const noexcept { return n_columns_; }
  /// Values from the beginning of one row to that of the next.
  [[nodiscard]] constexpr std::size_t row_stride() const noexcept { return row_stride_; }
  /// Whether there are no rows.
  [[nodiscard]] constexpr bool empty() const noexcept { return n_rows_ == 0; }

  /// Row `i`; `i < n_rows()`.
  [[nodiscard]] constexpr RowView row(std::size_t i) const noexcept {
    assert(i < n_rows_);
    return {data_ + i * row_stride_, n_columns_};
  }

  /// The value at row `i`, column `j`.
  [[nodiscard]] constexpr double operator()(std::size_t i, std::size_t j) const noexcept {
    assert(i < n_rows_ && j < n_columns_);
    return data_[i * row_stride_ + j];
  }

  /// Every run of `width` consecutive rows as one row of `width * n_columns()` values, the oldest
  /// first: an overlapping view of the same memory. Needs rows without gaps; the result has
  /// `n_rows() - width + 1` rows, or none when there are fewer than `width`.
  [[nodiscard]] constexpr MatrixView shingled(std::size_t width) const noexcept {
    assert(width > 0 && row_stride_ == n_columns_);
    const std::size_t rows = n_rows_ < width ? 0 : n_rows_ - width + 1;
    return {data_, rows, width * n_columns_, row_stride_};
  }

 private:
  const double* data_ = nullptr;
  std::size_t n_rows_ = 0;
  std::size_t n_columns_ = 0;
  std::size_t row_stride_ = 0;
};

/// A matrix that owns its values, row-major without gaps. A value type.
class Matrix {
 public:
  Matrix() = default;

  /// `n_rows` × `n_columns` zeros.
  Matrix(std::size_t n_rows, std::size_t n_columns)
      : values_(n_rows * n_columns), n_rows_(n_rows), n_columns_(n_columns) {}

  /// A copy of what `view` shows.
  explicit Matrix(MatrixView view) : n_rows_(view.n_rows()), n_columns_(view.n_columns()) {
    values_.reserve(n_rows_ * n_columns_);
    for (std::size_t i = 0; i < n_rows_; ++i) {
      const RowView row = view.row(i);
      values_.insert(values_.end(), row.begin(), row.end());
    }
  }

  /// The number of rows.
  [[nodiscard]] std::size_t n_rows() const noexcept { return n_rows_; }
  /// The number of values of a row.
  [[nodiscard]] std::size_t n_columns() const noexcept { return n_columns_; }
  /// Row `i`, to be written.
  [[nodiscard]] std::span<double> row(std::size_t i) noexcept {
    assert(i < n_rows_);
    return {values_.data() + i * n_columns_, n_columns_};
  }
  /// Row `i`.
  [[nodiscard]] RowView row(std::size_t i) const noexcept { return view().row(i); }
  /// The value in row `i`, column `j`, to be written.
  [[nodiscard]] double& operator()(std::size_t i, std::size_t j) noexcept {
    assert(i < n_rows_ && j < n_columns_);
    return values_[i * n_columns_ + j];
  }
  /// The value in row `i`, column `j`.
  [[nodiscard]] double operator()(std::size_t i, std::size_t j) const noexcept {
    return view()(i, j);
  }

  /// A view of all rows, valid as long as the matrix is.
  [[nodiscard]] MatrixView view() const noexcept { return {values_.data(), n_rows_, n_columns_}; }
  /// The same, where a view is expected.
  // NOLINTNEXTLINE(google-explicit-constructor): a matrix is usable wherever a view is asked for.
  operator MatrixView() const noexcept { return view(); }

  friend bool operator==(const Matrix&, const Matrix&) = default;

  /// Reads or writes the matrix; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(n_rows_, n_columns_, values_);
    // By division, since a product of sizes from a damaged snapshot may wrap around.
    archive.require(n_columns_ == 0 ? values_.empty()
                                    : values_.size() % n_columns_ == 0 &&
                                          values_.size() / n_columns_ == n_rows_,
                    "matrix size");
  }

 private:
  std::vector<double> values_;
  std::size_t n_rows_ = 0;
  std::size_t n_columns_ = 0;
};

}  // namespace freshet
