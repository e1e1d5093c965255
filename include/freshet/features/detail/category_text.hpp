#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "freshet/features/cell.hpp"

/// @file
/// The text that a cell has as a category, and what counts as yes and no.

namespace freshet::featuresdetail {

/// The text of a cell, without an allocation. A number that is an integer of 64 bits has its
/// digits, so that 1, 1.0 and "1" are one category; -0.0 is "0". Other numbers have the shortest
/// text that is read back as the same double.
class CategoryText {
 public:
  /// @param cell must outlive this object if it is a text.
  explicit CategoryText(const Cell& cell) noexcept {
    if (const auto* text = std::get_if<std::string_view>(&cell)) {
      text_ = *text;
    } else if (const auto* flag = std::get_if<bool>(&cell)) {
      text_ = *flag ? "true" : "false";
    } else if (const auto* integer = std::get_if<std::int64_t>(&cell)) {
      write(*integer);
    } else {
      const double number = *std::get_if<double>(&cell);
      constexpr double bound = 0x1.0p63;
      if (number >= -bound && number < bound && std::trunc(number) == number) {
        write(static_cast<std::int64_t>(number));
      } else {
        write(number);
      }
    }
  }
  CategoryText(const CategoryText&) = delete;  // the view may be of the object's own digits
  CategoryText& operator=(const CategoryText&) = delete;
  ~CategoryText() = default;

  [[nodiscard]] std::string_view view() const noexcept { return text_; }

 private:
  template <class Number>
  void write(Number number) noexcept {
    const auto end = std::to_chars(digits_.data(), digits_.data() + digits_.size(), number).ptr;
    text_ = {digits_.data(), static_cast<std::size_t>(end - digits_.data())};
  }

  std::array<char, 32> digits_;  // NOLINT(*-member-init): the longest double has 24 characters
  std::string_view text_;
};

/// Whether `text` is `word`, which is in lower case, in any case of ASCII letters.
[[nodiscard]] constexpr bool is_word(std::string_view text, std::string_view word) noexcept {
  if (text.size() != word.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    const bool is_upper = letter >= 'A' && letter <= 'Z';
    if ((is_upper ? static_cast<char>(letter - 'A' + 'a') : letter) != word[i]) return false;
  }
  return true;
}

/// 1 or 0 for a cell that says yes or no, -1 for any other.
[[nodiscard]] inline int yes_or_no(const Cell& cell) noexcept {
  constexpr std::array<std::string_view, 6> yes{"1", "true", "yes", "y", "t", "on"};
  constexpr std::array<std::string_view, 6> no{"0", "false", "no", "n", "f", "off"};
  const CategoryText text(cell);
  for (std::size_t i = 0; i < yes.size(); ++i) {
    if (is_word(text.view(), yes[i])) return 1;
    if (is_word(text.view(), no[i])) return 0;
  }
  return -1;
}

}  // namespace freshet::featuresdetail
