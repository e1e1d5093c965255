#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"

/// @file
/// Checks of incoming rows that neither allocate nor throw, and the step from a failed check to a
/// DataError that names row and column.

namespace freshet {

/// The largest magnitude a value may have: sums of cubes over a window stay finite below it.
inline constexpr double max_magnitude = 1e100;

/// Why a row was refused: plain data, so that refusing costs no allocation.
struct RowFault {
  ErrorCode code{};          ///< value_non_finite, value_out_of_range, width_mismatch, …
  std::size_t row = 0;       ///< Zero-based row in the batch.
  std::size_t column = 0;    ///< Zero-based column; for width_mismatch the width that came.
  std::size_t expected = 0;  ///< For width_mismatch: the width that was expected.
  double value = 0.0;        ///< The offending value or timestamp.
};

/// Whether `value` may enter the library: finite and at most `max_magnitude` in magnitude.
[[nodiscard]] inline bool acceptable(double value) noexcept {
  return std::abs(value) <= max_magnitude;  // false for NaN
}

/// Whether all values could be features of acceptable values: differences and deviations of those
/// may be a little larger than they are themselves.
[[nodiscard]] inline bool features_acceptable(MatrixView rows) noexcept {
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    for (const double value : rows.row(i)) {
      if (!(std::abs(value) <= 4.0 * max_magnitude)) return false;
    }
  }
  return true;
}

/// Whether no value is NaN or infinite.
[[nodiscard]] inline bool all_finite(MatrixView rows) noexcept {
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    for (const double value : rows.row(i)) {
      if (!std::isfinite(value)) return false;
    }
  }
  return true;
}

/// Checks one row of a batch. O(columns), no allocation.
/// @return nothing when the row has `n_columns` acceptable values, else the first fault.
[[nodiscard]] inline std::optional<RowFault> find_fault(RowView row, std::size_t n_columns,
                                                        std::size_t row_index = 0) noexcept {
  if (row.size() != n_columns) {
    return RowFault{ErrorCode::width_mismatch, row_index, row.size(), n_columns, 0.0};
  }
  bool all_acceptable = true;
  for (const double value : row) all_acceptable &= acceptable(value);
  if (all_acceptable) [[likely]] {
    return std::nullopt;
  }
  std::size_t column = 0;
  while (acceptable(row[column])) ++column;
  const ErrorCode code =
      std::isfinite(row[column]) ? ErrorCode::value_out_of_range : ErrorCode::value_non_finite;
  return RowFault{code, row_index, column, n_columns, row[column]};
}

/// Checks every row of a batch; an empty batch is a fault too. O(rows · columns).
[[nodiscard]] inline std::optional<RowFault> find_fault(MatrixView rows,
                                                        std::size_t n_columns) noexcept {
  if (rows.empty()) return RowFault{ErrorCode::batch_empty};
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    if (const auto fault = find_fault(rows.row(i), n_columns, i)) return fault;
  }
  return std::nullopt;
}

/// The error that tells of `fault`; `names` are the columns' names where they have any.
[[nodiscard]] inline DataError to_error(const RowFault& fault,
                                        std::span<const std::string> names = {}) {
  const auto column_name = [&] {
    return fault.column < names.size() ? names[fault.column] : std::to_string(fault.column);
  };
  const std::string at_row = "row " + std::to_string(fault.row);
  const ErrorLocation in_row{fault.row, std::nullopt};
  const ErrorLocation in_cell{fault.row, fault.column};
  switch (fault.code) {
    case ErrorCode::batch_empty:
      return {fault.code, "the batch is empty: expected at least one row", "rows",
              "at least one row"};
    case ErrorCode::width_mismatch: {
      const std::string expected = std::to_string(fault.expected) + " values";
      return {fault.code,
              at_row + " has " + std::to_string(fault.column) + " values: expected " + expected,
              "row", expected, in_row};
    }
    case ErrorCode::timestamp_out_of_order:
      return {fault.code,
              at_row + ": timestamp " + std::to_string(fault.value) +
                  " is earlier than the one before it",
              "timestamp", "not earlier than the previous row's", in_row};
    case ErrorCode::timestamp_invalid:
      return {fault.code,
              at_row + ": the timestamp is " + (std::isnan(fault.value) ? "NaN" : "infinite"),
              "timestamp", "a finite number", in_row};
    case ErrorCode::value_out_of_range:
      return {fault.code, at_row + ", column " + column_name() + ": magnitude above 1e100",
              column_name(), "a magnitude of at most 1e100", in_cell};
    default:
      return {fault.code,
              at_row + ", column " + column_name() + ": " +
                  (std::isnan(fault.value) ? "NaN" : "infinite") + ", expected a finite number",
              column_name(), "a finite number", in_cell};
  }
}

/// Throws DataError unless `rows` is a non-empty matrix of `n_columns` acceptable columns.
inline void require_rows(MatrixView rows, std::size_t n_columns,
                         std::span<const std::string> names = {}) {
  if (const auto fault = find_fault(rows, n_columns)) throw to_error(*fault, names);
}

}  // namespace freshet
