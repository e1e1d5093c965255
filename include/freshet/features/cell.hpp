#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "freshet/core/matrix_view.hpp"

/// @file
/// What stands in rows before they are encoded.

namespace freshet {

/// One value of a row that need not be a number: a number, an integer with all its digits, a flag
/// or a text in UTF-8, which is not owned.
using Cell = std::variant<double, std::int64_t, bool, std::string_view>;

/// One row of cells, not owned.
using CellRow = std::span<const Cell>;

/// The number that a cell is; none for a flag or a text.
[[nodiscard]] inline std::optional<double> number_of(const Cell& cell) noexcept {
  if (const auto* number = std::get_if<double>(&cell)) return *number;
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return static_cast<double>(*integer);
  return std::nullopt;
}

/// Some rows of cells, wherever they are kept; not owned.
class CellRows {
 public:
  /// @param n_columns  cells in the first row
  /// @param row_at     gives a row, valid until it is called again; in any order, more than once
  CellRows(std::size_t n_rows, std::size_t n_columns, std::function<CellRow(std::size_t)> row_at)
      : n_rows_(n_rows), n_columns_(n_columns), row_at_(std::move(row_at)) {}

  /// Rows of `n_columns` cells, at least 1, one after the other.
  CellRows(CellRow cells, std::size_t n_columns)
      : CellRows(cells.size() / n_columns, n_columns, [cells, n_columns](std::size_t i) {
          return cells.subspan(i * n_columns, n_columns);
        }) {
    assert(cells.size() % n_columns == 0);
  }

  /// Rows of numbers.
  explicit CellRows(MatrixView rows)
      : CellRows(rows.n_rows(), rows.n_columns(),
                 [rows, cells = std::vector<Cell>(rows.n_columns())](std::size_t i) mutable {
                   std::copy_n(rows.row(i).data(), cells.size(), cells.data());
                   return CellRow(cells);
                 }) {}

  /// The number of rows.
  [[nodiscard]] std::size_t n_rows() const noexcept { return n_rows_; }
  /// The number of cells of a row.
  [[nodiscard]] std::size_t n_columns() const noexcept { return n_columns_; }
  /// Whether there are no rows.
  [[nodiscard]] bool empty() const noexcept { return n_rows_ == 0; }

  /// Row `i`, below `n_rows()`; valid until the next call.
  [[nodiscard]] CellRow row(std::size_t i) const { return row_at_(i); }

 private:
  std::size_t n_rows_;
  std::size_t n_columns_;
  std::function<CellRow(std::size_t)> row_at_;
};

}  // namespace freshet
