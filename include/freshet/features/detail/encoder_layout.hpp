#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "freshet/core/columns.hpp"
#include "freshet/core/error.hpp"
#include "freshet/features/detail/column_encoder.hpp"
#include "freshet/features/encoder_state.hpp"
#include "freshet/features/encoding.hpp"

/// @file
/// From a schema to the encoders of columns, and their outputs' names.

namespace freshet::featuresdetail {

/// The categories that get a number of their own: of one that is to be fitted as many as come, and
/// one more, by which it shows that they are too many.
[[nodiscard]] inline std::size_t n_slots(const ColumnEncoding& column, bool is_fitted) noexcept {
  constexpr std::size_t in_stream = 16;
  return column.max_categories.value_or(is_fitted ? largest_n_slots + 1 : in_stream);
}

/// Throws DataError when a column of the schema is not among `columns`.
inline void require_schema_columns(const Schema& schema, std::span<const std::string> columns) {
  const ColumnEncoding* missing = find_missing(schema, columns);
  if (missing == nullptr) return;
  throw DataError(ErrorCode::column_missing,
                  "column \"" + missing->column + "\" of the schema is missing", missing->column,
                  "every column that the schema names");
}

/// One encoder for each of `columns`.
/// @throws DataError, ConfigurationError as the constructor of Encoder.
[[nodiscard]] inline std::vector<ColumnEncoder> column_encoders(
    const std::vector<std::string>& columns, const Schema& schema, bool is_fitted) {
  (void)Columns(columns);  // they differ
  validate(schema);
  require_schema_columns(schema, columns);
  std::unordered_map<std::string_view, const ColumnEncoding*> named;
  for (const ColumnEncoding& column : schema) named.emplace(column.column, &column);
  std::vector<ColumnEncoder> encoders;
  encoders.reserve(columns.size());
  for (const std::string& name : columns) {
    const auto found = named.find(name);
    if (found == named.end()) {
      encoders.emplace_back();
    } else {
      encoders.emplace_back(found->second->encoding, n_slots(*found->second, is_fitted));
    }
  }
  return encoders;
}

/// Teaches an encoder the categories and counts of its column.
inline void restore_column(ColumnEncoder& encoder, std::span<const std::string> categories,
                           std::vector<std::uint64_t> counts, std::uint64_t n_rows) {
  require_parameter(categories.size() <= n_rows, "categories", "no more than there were rows");
  require_parameter(encoder.encoding() != Encoding::onehot || categories.size() <= largest_n_slots,
                    "categories", "at most 1024 for a one-hot column");
  for (const std::string& category : categories) {
    const CategoryTable& table = encoder.categories();
    require_parameter(table.find(category) == table.size() && table.has_room(category),
                      "categories", "texts that differ, as many as a column may have");
    encoder.learn_category(category);
  }
  require_parameter(counts.size() == encoder.counts().size(), "counts",
                    "one for each category and others");
  if (counts.empty()) return;
  std::uint64_t rest = n_rows;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    require_parameter(counts[i] <= rest && (counts[i] > 0 || i == categories.size()), "counts",
                      "at least 1 for each category, as many as rows together");
    rest -= counts[i];
  }
  require_parameter(rest == 0, "counts", "as many as rows together");
  encoder.set_counts(std::move(counts));
}

/// One encoder for each column of `state`.
/// @throws ConfigurationError when the state contradicts itself; DataError as above.
[[nodiscard]] inline std::vector<ColumnEncoder> column_encoders(const EncoderState& state) {
  auto encoders = column_encoders(state.columns, state.schema, state.is_fitted);
  require_parameter(!state.is_fitted || state.n_rows > 0, "n_rows", "at least 1");
  require_parameter(state.categories.size() == encoders.size(), "categories",
                    "a list for each column");
  require_parameter(state.counts.size() == encoders.size(), "counts", "a list for each column");
  for (std::size_t i = 0; i < encoders.size(); ++i) {
    restore_column(encoders[i], state.categories[i], state.counts[i], state.n_rows);
    if (state.is_fitted) encoders[i].finish_fit();
  }
  return encoders;
}

/// Throws DataError when a row has brought a one-hot column more categories than it may have.
inline void require_few_categories(std::span<const ColumnEncoder> encoders,
                                   std::span<const std::string> columns, std::size_t row) {
  for (std::size_t i = 0; i < encoders.size(); ++i) {
    if (encoders[i].encoding() != Encoding::onehot ||
        encoders[i].categories().size() <= largest_n_slots) {
      continue;
    }
    const std::string expected = "at most 1024 categories, max_categories, or another encoding";
    throw DataError(ErrorCode::value_out_of_range,
                    "row " + std::to_string(row) + ", column " + columns[i] +
                        ": one category more than a one-hot column may have, expected " + expected,
                    columns[i], expected, {row, i});
  }
}

/// See Encoder::names.
[[nodiscard]] inline std::vector<std::string> output_names(std::span<const ColumnEncoder> encoders,
                                                           std::span<const std::string> columns) {
  std::vector<std::string> names;
  std::unordered_set<std::string> taken;
  const auto add = [&](const std::string& name) {
    std::string free = name;
    for (int n = 2; !taken.insert(free).second; ++n) free = name + "_" + std::to_string(n);
    names.push_back(std::move(free));
  };
  for (std::size_t i = 0; i < encoders.size(); ++i) {
    const ColumnEncoder& encoder = encoders[i];
    if (encoder.encoding() != Encoding::onehot) {
      add(columns[i]);
      continue;
    }
    const CategoryTable& categories = encoder.categories();
    for (std::size_t slot = 0; slot < encoder.n_outputs(); ++slot) {
      const bool is_known = slot < categories.size();
      const bool is_other = !encoder.is_fitted() && slot + 1 == encoder.n_outputs();
      add(columns[i] + "_" +
          (is_known   ? std::string(categories[slot])
           : is_other ? std::string("other")
                      : "slot_" + std::to_string(slot)));
    }
  }
  return names;
}

}  // namespace freshet::featuresdetail
