#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/features/detail/cell_error.hpp"
#include "freshet/features/detail/column_encoder.hpp"
#include "freshet/features/detail/encoder_layout.hpp"
#include "freshet/features/encoder_state.hpp"
#include "freshet/features/encoding.hpp"

/// @file
/// From rows of numbers, flags and texts to rows of numbers.

namespace freshet {

/// Makes numbers of the cells of a row, column by column, as a schema says; see Encoding. Columns
/// that the schema does not name are numeric.
///
/// In a stream (made by the constructor) it learns with every row: encode a row, and `learn` it
/// once it has been accepted. A category that is new has the code it is about to get. The width
/// never changes: a one-hot column has `max_categories` slots and one more for all further
/// categories, and shares are of the rows so far including the row itself.
///
/// Fitted to rows (made by `fit`) it never changes: a one-hot column has as many columns as it has
/// categories. A category that was not among the rows is 0 in all of them, has the share 0, and as
/// label the next code, which is that of no other category.
///
/// Whether a row can be encoded never depends on what was learnt, so that rows are checked before
/// anything changes. O(cells) per row whatever the number of categories; no allocation unless a
/// category is new. A value type: a copy goes on independently.
class Encoder {
 public:
  /// No columns; something to restore into.
  Encoder() = default;

  /// For a stream of rows with these columns.
  /// @throws DataError for a column that comes twice, or that the schema names and is missing.
  /// @throws ConfigurationError naming "schema.<column>" for a setting out of range, or a column
  /// that the schema names twice.
  Encoder(std::vector<std::string> columns, Schema schema)
      : columns_(std::move(columns)), schema_(std::move(schema)) {
    encoders_ = featuresdetail::column_encoders(columns_, schema_, /*is_fitted=*/false);
    find_places();
  }

  /// As it was when `state` was asked for.
  /// @throws ConfigurationError when the state contradicts itself; DataError as above.
  explicit Encoder(EncoderState state) {
    encoders_ = featuresdetail::column_encoders(state);
    columns_ = std::move(state.columns);
    schema_ = std::move(state.schema);
    n_rows_ = state.n_rows;
    is_fitted_ = state.is_fitted;
    find_places();
  }

  /// Fitted to rows.
  /// @param rows at least one.
  /// @throws as the constructor; DataError naming row and column for a cell that cannot be encoded,
  /// and for a one-hot column without `max_categories` that has more than 1024 categories.
  [[nodiscard]] static Encoder fit(std::vector<std::string> columns, Schema schema,
                                   const CellRows& rows) {
    Encoder encoder;
    encoder.encoders_ = featuresdetail::column_encoders(columns, schema, /*is_fitted=*/true);
    encoder.columns_ = std::move(columns);
    encoder.schema_ = std::move(schema);
    encoder.require_rows(rows);
    for (std::size_t i = 0; i < rows.n_rows(); ++i) {
      encoder.learn(rows.row(i));
      featuresdetail::require_few_categories(encoder.encoders_, encoder.columns_, i);
    }
    for (auto& column : encoder.encoders_) column.finish_fit();
    encoder.is_fitted_ = true;
    encoder.find_places();
    return encoder;
  }

  /// The number of columns that come in.
  [[nodiscard]] std::size_t n_columns() const noexcept { return columns_.size(); }
  /// How many numbers a row becomes.
  [[nodiscard]] std::size_t n_outputs() const noexcept { return places_.back(); }
  /// The names of the columns that come in.
  [[nodiscard]] std::span<const std::string> columns() const noexcept { return columns_; }
  /// The encodings of the columns that have one.
  [[nodiscard]] const Schema& schema() const noexcept { return schema_; }
  /// The rows that were learnt.
  [[nodiscard]] std::uint64_t n_rows() const noexcept { return n_rows_; }
  /// Whether it was fitted, so that it learns no more.
  [[nodiscard]] bool is_fitted() const noexcept { return is_fitted_; }

  /// The first reason why a row cannot be encoded; none when it can.
  /// @param row_index the row of the batch that errors name.
  [[nodiscard]] std::optional<RowFault> find_fault(CellRow row,
                                                   std::size_t row_index = 0) const noexcept {
    if (row.size() != n_columns()) {
      return RowFault{ErrorCode::width_mismatch, row_index, row.size(), n_columns()};
    }
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (encoders_[i].accepts(row[i])) continue;
      return featuresdetail::cell_fault(row[i], encoders_[i].encoding(), row_index, i, n_columns());
    }
    return std::nullopt;
  }

  /// Throws DataError naming row and column, and what was expected, unless a row can be encoded.
  void require_row(CellRow row, std::size_t row_index = 0) const {
    const auto fault = find_fault(row, row_index);
    if (!fault) return;
    if (fault->code == ErrorCode::width_mismatch) throw to_error(*fault);
    const Cell& cell = row[fault->column];
    const auto* number = std::get_if<double>(&cell);
    if (number != nullptr && !acceptable(*number)) throw to_error(*fault, columns_);
    throw featuresdetail::cell_error(*fault, cell, encoders_[fault->column].encoding(),
                                     columns_[fault->column]);
  }

  /// Throws DataError unless there are rows and all of them can be encoded.
  void require_rows(const CellRows& rows) const {
    if (rows.empty()) throw to_error(RowFault{ErrorCode::batch_empty});
    for (std::size_t i = 0; i < rows.n_rows(); ++i) require_row(rows.row(i), i);
  }

  /// Writes the numbers that a row would become if it came next; nothing changes.
  /// @param row `n_columns()` cells without a fault
  /// @param out room for `n_outputs()` values
  void transform(CellRow row, std::span<double> out) const noexcept {
    assert(!find_fault(row) && out.size() == n_outputs());
    for (std::size_t i = 0; i < encoders_.size(); ++i) {
      encoders_[i].encode(row[i], n_rows_, out.subspan(places_[i], places_[i + 1] - places_[i]));
    }
  }

  /// As `transform`, after it has checked the row.
  /// @throws DataError naming row and column, and what was expected.
  void encode(CellRow row, std::span<double> out, std::size_t row_index = 0) const {
    require_row(row, row_index);
    transform(row, out);
  }

  /// Keeps what is new in a row (`n_columns()` cells without a fault). A fitted one learns nothing.
  void learn(CellRow row) noexcept {
    assert(!find_fault(row));
    if (is_fitted_) return;
    for (std::size_t i = 0; i < encoders_.size(); ++i) encoders_[i].learn(row[i]);
    ++n_rows_;
  }

  /// Encodes rows in order, learning each before the next. All of them are checked before the first
  /// is encoded, so that rows of which one is refused change nothing; that costs a second look at
  /// each cell, but no copy of what was learnt.
  /// @param out room for `rows.n_rows()` · `n_outputs()` values, row by row.
  /// @throws DataError naming row and column.
  void encode_many(const CellRows& rows, std::span<double> out) {
    require_rows(rows);
    assert(out.size() == rows.n_rows() * n_outputs());
    for (std::size_t i = 0; i < rows.n_rows(); ++i) {
      const CellRow row = rows.row(i);
      transform(row, out.subspan(i * n_outputs(), n_outputs()));
      learn(row);
    }
  }

  /// Forgets what was learnt from a stream; a fitted one stays as it is.
  void reset() noexcept {
    if (is_fitted_) return;
    for (auto& encoder : encoders_) encoder.reset();
    n_rows_ = 0;
  }

  /// The outputs' names: the column's, and of one-hot columns `{column}_{category}` for each slot,
  /// `{column}_slot_{number}` while it is free, and `{column}_other` in a stream. Of names that are
  /// the same the later ones get `_2`, `_3`, … at the end.
  [[nodiscard]] std::vector<std::string> names() const {
    return featuresdetail::output_names(encoders_, columns_);
  }

  /// The column from which output `output` (below `n_outputs()`) is made.
  [[nodiscard]] std::size_t column_of(std::size_t output) const noexcept {
    assert(output < n_outputs());
    // A fitted one-hot column may have no outputs, so the last place at or before it counts.
    const auto after = std::upper_bound(places_.begin(), places_.end(), output);
    return static_cast<std::size_t>(after - places_.begin()) - 1;
  }

  /// Everything, as plain data.
  [[nodiscard]] EncoderState state() const {
    EncoderState state{columns_, schema_, is_fitted_, n_rows_, {}, {}};
    for (const auto& encoder : encoders_) {
      auto& categories = state.categories.emplace_back();
      for (std::size_t i = 0; i < encoder.categories().size(); ++i) {
        categories.emplace_back(encoder.categories()[i]);
      }
      state.counts.push_back(encoder.counts());
    }
    return state;
  }

  friend bool operator==(const Encoder&, const Encoder&) = default;

  /// Reads or writes everything; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    if constexpr (Archive::is_reading) {
      EncoderState state;
      archive(state);
      try {
        *this = Encoder(std::move(state));
      } catch (const ConfigurationError& error) {
        archive.require(false, error.field());
      } catch (const DataError& error) {
        archive.require(false, error.field());
      }
    } else {
      archive(state());
    }
  }

 private:
  void find_places() {
    places_.assign(encoders_.size() + 1, 0);
    std::size_t end = 0;
    for (std::size_t i = 0; i < encoders_.size(); ++i) {
      places_[i] = end;
      end += encoders_[i].n_outputs();
    }
    places_[encoders_.size()] = end;
  }

  std::vector<std::string> columns_;
  Schema schema_;
  std::vector<featuresdetail::ColumnEncoder> encoders_;  // one for each column
  std::vector<std::size_t> places_{0};                   // where the outputs of each begin, and end
  std::uint64_t n_rows_ = 0;
  bool is_fitted_ = false;
};

}  // namespace freshet
