#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "freshet/core/error.hpp"

/// @file
/// How columns become numbers, as settings.

namespace freshet {

/// What an Encoder makes of the cells of a column. A category is the text of a cell: a number's is
/// its shortest decimal form (1.0 is "1"), a flag's "true" or "false".
enum class Encoding : std::uint8_t {
  /// The number as it is; flags and texts are refused.
  numeric,
  /// A number from 0 to 2³² − 1 that depends on the text alone; see `stable_hash`.
  hash,
  /// Categories as 0, 1, 2, … in order of first appearance.
  label,
  /// A column for each category, 1 in that of the cell and 0 in the others.
  onehot,
  /// 1 for yes, true, y, t, on and 1, 0 for no, false, n, f, off and 0, in any case; anything else
  /// is refused.
  binary,
  /// The share of the rows that have this category.
  frequency,
};

/// The name used in configurations: "numeric", "hash", "label", "onehot", "binary", "frequency".
[[nodiscard]] constexpr std::string_view to_string(Encoding encoding) noexcept {
  switch (encoding) {
    case Encoding::hash:
      return "hash";
    case Encoding::label:
      return "label";
    case Encoding::onehot:
      return "onehot";
    case Encoding::binary:
      return "binary";
    case Encoding::frequency:
      return "frequency";
    case Encoding::numeric:
      break;
  }
  return "numeric";
}

/// Whether the code of a cell depends on the rows before.
[[nodiscard]] constexpr bool learns(Encoding encoding) noexcept {
  return encoding == Encoding::label || encoding == Encoding::onehot ||
         encoding == Encoding::frequency;
}

/// The most categories that a column remembers, and the most bytes of text they may have together.
/// Those that come when there is no room count as one: memory stays bounded on any stream.
inline constexpr std::size_t largest_n_categories = 65536;
/// The bytes of text that a column's categories may have together.
inline constexpr std::size_t largest_category_text = std::size_t{8} << 20U;

/// The most categories for which a one-hot column may have columns.
inline constexpr std::size_t largest_n_slots = 1024;

/// How one column becomes numbers.
struct ColumnEncoding {
  /// The column's name.
  std::string column;
  /// What becomes of its cells.
  Encoding encoding = Encoding::numeric;
  /// Of `onehot` only: the most categories that get a column, 1 to 1024, the first that appear. By
  /// default 16 in a stream, whose width has to be known beforehand, and all when fitted to rows.
  std::optional<std::size_t> max_categories = std::nullopt;

  /// How errors call the setting.
  [[nodiscard]] std::string field() const { return "schema." + column; }

  /// Throws ConfigurationError naming "schema.<column>" or "schema.<column>.max_categories".
  void validate() const {
    require_parameter(encoding <= Encoding::frequency, field(),
                      "numeric, hash, label, onehot, binary or frequency");
    if (!max_categories) return;
    require_parameter(encoding == Encoding::onehot, field() + ".max_categories",
                      "left out unless the encoding is onehot");
    require_parameter(*max_categories >= 1 && *max_categories <= largest_n_slots,
                      field() + ".max_categories", "an integer from 1 to 1024");
  }

  friend bool operator==(const ColumnEncoding&, const ColumnEncoding&) = default;

  /// Reads or writes everything; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(column, encoding, max_categories);
  }
};

/// The encodings of columns, in any order. Columns that it does not name are numeric.
using Schema = std::vector<ColumnEncoding>;

/// Whether the codes of a schema depend on the rows that came, so that they mean something only
/// together with the Encoder that gave them.
[[nodiscard]] inline bool learns(const Schema& schema) noexcept {
  return std::any_of(schema.begin(), schema.end(),
                     [](const ColumnEncoding& column) { return learns(column.encoding); });
}

/// Throws ConfigurationError for the first setting that is out of its range, and for a column that
/// comes twice.
inline void validate(const Schema& schema) {
  std::unordered_set<std::string_view> named;
  for (const ColumnEncoding& column : schema) {
    column.validate();
    require_parameter(named.insert(column.column).second, column.field(), "named once");
  }
}

/// The first column of a schema that is not among `columns`; null when there is none.
[[nodiscard]] inline const ColumnEncoding* find_missing(const Schema& schema,
                                                        std::span<const std::string> columns) {
  const std::unordered_set<std::string_view> known(columns.begin(), columns.end());
  const auto found = std::find_if(schema.begin(), schema.end(), [&](const ColumnEncoding& column) {
    return !known.contains(column.column);
  });
  return found == schema.end() ? nullptr : &*found;
}

}  // namespace freshet
