#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "freshet/core/matrix_view.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/features/encoder.hpp"
#include "freshet/stream/config.hpp"

/// @file
/// From the rows that come to rows of numbers.

namespace freshet::streamdetail {

/// Cells that come without a schema, as the numbers that they have to be.
/// @param columns their names
/// @throws DataError naming row and column of one that is none.
[[nodiscard]] inline Matrix numbers_of(const CellRows& rows, std::vector<std::string> columns) {
  const Encoder encoder(std::move(columns), {});
  encoder.require_rows(rows);
  Matrix numbers(rows.n_rows(), encoder.n_outputs());
  for (std::size_t i = 0; i < rows.n_rows(); ++i) encoder.transform(rows.row(i), numbers.row(i));
  return numbers;
}

/// The same for one row.
[[nodiscard]] inline Matrix numbers_of(CellRow row, std::vector<std::string> columns) {
  return numbers_of(CellRows(1, row.size(), [row](std::size_t) { return row; }),
                    std::move(columns));
}

/// The encoder of a detector's schema, and room for one row. Without a schema it has no columns.
class RowEncoding {
 public:
  RowEncoding() = default;
  /// @param config settings that have been checked.
  explicit RowEncoding(const StreamingConfig& config)
      : encoder_(config.schema.empty() ? Encoder()
                                       : Encoder(config.column_names(), config.schema)) {
    make_room();
  }

  [[nodiscard]] const Encoder& encoder() const noexcept { return encoder_; }

  /// The width of a row of which features are made.
  [[nodiscard]] std::size_t n_outputs(const StreamingConfig& config) const noexcept {
    return config.schema.empty() ? config.n_features : encoder_.n_outputs();
  }

  /// A row of numbers as cells, until the next call. @param row one number for each column
  [[nodiscard]] CellRow cells_of(RowView row) noexcept {
    assert(row.size() == cells_.size());
    std::copy(row.begin(), row.end(), cells_.begin());
    return cells_;
  }

  /// Encodes a row without a fault and learns its categories. @return valid until the next call.
  [[nodiscard]] RowView learn(CellRow row) noexcept {
    encoder_.transform(row, encoded_);
    encoder_.learn(row);
    return encoded_;
  }

  /// Forgets all categories.
  void reset() noexcept { encoder_.reset(); }

  /// Reads or writes what was learnt; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(encoder_);
    if constexpr (Archive::is_reading) make_room();
  }

 private:
  void make_room() {
    encoded_.resize(encoder_.n_outputs());
    cells_.resize(encoder_.n_columns());
  }

  Encoder encoder_;
  std::vector<double> encoded_;
  std::vector<Cell> cells_;
};

}  // namespace freshet::streamdetail
