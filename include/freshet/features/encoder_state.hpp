#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "freshet/features/encoding.hpp"

/// @file
/// What an Encoder knows, as plain data: for files, whatever their format.

namespace freshet {

/// Everything that an Encoder is made of.
struct EncoderState {
  /// The names of the columns, in the order of the cells.
  std::vector<std::string> columns;
  /// The encodings of the columns that have one.
  Schema schema;
  /// Whether it was fitted to rows, so that it learns no more.
  bool is_fitted = false;
  /// The rows it has learnt from.
  std::uint64_t n_rows = 0;
  /// For each column the categories in order of first appearance; none of columns that have none.
  std::vector<std::vector<std::string>> categories;
  /// For each column of encoding `frequency` how often each category came, and at the end how often
  /// those that had no room; none of other columns.
  std::vector<std::vector<std::uint64_t>> counts;

  friend bool operator==(const EncoderState&, const EncoderState&) = default;

  /// Reads or writes everything; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(columns, schema, is_fitted, n_rows, categories, counts);
  }
};

}  // namespace freshet
