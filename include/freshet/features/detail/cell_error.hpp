#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "freshet/core/error.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/features/detail/category_text.hpp"
#include "freshet/features/encoding.hpp"

/// @file
/// What is said of a cell that cannot be encoded.

namespace freshet::featuresdetail {

/// The fault of a cell that its column does not accept: plain data.
[[nodiscard]] inline RowFault cell_fault(const Cell& cell, Encoding encoding, std::size_t row,
                                         std::size_t column, std::size_t n_columns) noexcept {
  const double number = number_of(cell).value_or(0.0);
  const bool is_out_of_range =
      std::isfinite(number) && (!acceptable(number) || encoding == Encoding::binary);
  return {is_out_of_range ? ErrorCode::value_out_of_range : ErrorCode::value_non_finite, row,
          column, n_columns, number};
}

/// The beginning of a text, for people: cut between characters, in one line.
[[nodiscard]] inline std::string excerpt(std::string_view text) {
  constexpr std::size_t longest = 40;
  std::size_t size = text.size();
  if (size > longest) {
    size = longest;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) --size;
  }
  std::string shown(text.substr(0, size));
  for (char& character : shown) {
    if (static_cast<unsigned char>(character) < ' ' || character == '\x7f') character = ' ';
  }
  return '"' + shown + (size < text.size() ? "…\"" : "\"");
}

/// The error of a cell that a column called `name` does not accept.
[[nodiscard]] inline DataError cell_error(const RowFault& fault, const Cell& cell,
                                          Encoding encoding, const std::string& name) {
  const std::string expected = encoding == Encoding::binary
                                   ? "yes, true, y, t, on or 1, or no, false, n, f, off or 0"
                                   : "a finite number";
  const auto* text = std::get_if<std::string_view>(&cell);
  const std::string shown =
      text != nullptr ? excerpt(*text) : std::string(CategoryText(cell).view());
  return {fault.code,
          "row " + std::to_string(fault.row) + ", column " + name + ": " + shown + ", expected " +
              expected,
          name,
          expected,
          {fault.row, fault.column}};
}

}  // namespace freshet::featuresdetail
