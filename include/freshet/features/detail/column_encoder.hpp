#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "freshet/core/validate.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/features/detail/category_table.hpp"
#include "freshet/features/detail/category_text.hpp"
#include "freshet/features/encoding.hpp"
#include "freshet/features/stable_hash.hpp"

/// @file
/// The encoding of one column, with what it has learnt.

namespace freshet::featuresdetail {

/// From a cell of one column to one number, or one for each slot. See Encoder.
class ColumnEncoder {
 public:
  /// @param n_slots of one-hot: the most categories that get a number of their own.
  explicit ColumnEncoder(Encoding encoding = Encoding::numeric, std::size_t n_slots = 0)
      : encoding_(encoding), categories_(capacity(encoding, n_slots)), n_slots_(n_slots) {
    if (encoding == Encoding::frequency) counts_.resize(1);
  }

  [[nodiscard]] Encoding encoding() const noexcept { return encoding_; }
  [[nodiscard]] bool is_fitted() const noexcept { return is_fitted_; }
  [[nodiscard]] const CategoryTable& categories() const noexcept { return categories_; }
  /// Of frequency: how often each category came, and at the end those that had no room.
  [[nodiscard]] const std::vector<std::uint64_t>& counts() const noexcept { return counts_; }

  /// How many numbers a cell becomes. Of one-hot in a stream, one more than the slots: for others.
  [[nodiscard]] std::size_t n_outputs() const noexcept {
    if (encoding_ != Encoding::onehot) return 1;
    return is_fitted_ ? categories_.size() : n_slots_ + 1;
  }

  /// Whether the cell can be encoded, which does not depend on what was learnt.
  [[nodiscard]] bool accepts(const Cell& cell) const noexcept {
    if (encoding_ == Encoding::numeric) {
      const std::optional<double> number = number_of(cell);
      return number && acceptable(*number);
    }
    if (encoding_ == Encoding::binary) return yes_or_no(cell) >= 0;
    const auto* number = std::get_if<double>(&cell);
    return number == nullptr || acceptable(*number);
  }

  /// Writes the `n_outputs()` numbers of a cell that is acceptable, if it came after `n_rows` rows.
  void encode(const Cell& cell, std::uint64_t n_rows, std::span<double> out) const noexcept {
    assert(accepts(cell) && out.size() == n_outputs());
    switch (encoding_) {
      case Encoding::numeric:
        out[0] = *number_of(cell);
        return;
      case Encoding::hash:
        out[0] = stable_hash(CategoryText(cell).view());
        return;
      case Encoding::binary:
        out[0] = yes_or_no(cell);
        return;
      case Encoding::label:
        out[0] = static_cast<double>(code(CategoryText(cell).view()));
        return;
      case Encoding::onehot: {
        std::fill(out.begin(), out.end(), 0.0);
        const std::size_t slot = std::min(code(CategoryText(cell).view()), n_slots_);
        if (slot < out.size()) out[slot] = 1.0;
        return;
      }
      case Encoding::frequency:
        out[0] = share(CategoryText(cell).view(), n_rows);
        return;
    }
  }

  /// Keeps the category of a cell that is acceptable. If memory is short, there is no room for it.
  void learn(const Cell& cell) noexcept {
    assert(!is_fitted_);
    if (!learns(encoding_)) return;
    const CategoryText text(cell);
    std::size_t known = categories_.find(text.view());
    if (known == categories_.size() && categories_.has_room(text.view())) {
      try {
        learn_category(text.view());
      } catch (const std::bad_alloc&) {
        known = categories_.size();  // as if there were no room: where the others are counted
      }
    }
    if (encoding_ == Encoding::frequency) ++counts_[known];
  }

  /// Adds a category for which there is room and which is not there. If it throws, nothing changes.
  void learn_category(std::string_view text) {
    if (encoding_ == Encoding::frequency) counts_.reserve(grown(counts_));
    categories_.add(text);
    if (encoding_ == Encoding::frequency) counts_.insert(counts_.end() - 1, 0);
  }

  /// Fixes what was learnt: from now on categories that are not known have no column and no share.
  void finish_fit() noexcept { is_fitted_ = true; }

  /// Puts counts in place that were read, one for each category and one for others.
  void set_counts(std::vector<std::uint64_t> counts) noexcept {
    assert(counts.size() == counts_.size());
    counts_ = std::move(counts);
  }

  /// Forgets every category.
  void reset() noexcept {
    assert(!is_fitted_);
    categories_.clear();
    counts_.assign(std::min<std::size_t>(counts_.size(), 1), 0);
  }

  friend bool operator==(const ColumnEncoder&, const ColumnEncoder&) = default;

 private:
  static std::size_t capacity(Encoding encoding, std::size_t n_slots) noexcept {
    if (!learns(encoding)) return 0;
    return encoding == Encoding::onehot ? n_slots : largest_n_categories;
  }

  static std::size_t grown(const std::vector<std::uint64_t>& items) noexcept {
    return items.size() < items.capacity() ? items.size() : 2 * items.size() + 8;
  }

  /// The number of a category, or the one that it would get.
  [[nodiscard]] std::size_t code(std::string_view text) const noexcept {
    const std::size_t known = categories_.find(text);
    if (known < categories_.size() || is_fitted_ || categories_.has_room(text)) return known;
    return encoding_ == Encoding::onehot ? n_slots_ : largest_n_categories;
  }

  [[nodiscard]] double share(std::string_view text, std::uint64_t n_rows) const noexcept {
    const std::size_t known = categories_.find(text);
    const bool is_known = known < categories_.size();
    if (is_fitted_) {
      return is_known ? static_cast<double>(counts_[known]) / static_cast<double>(n_rows) : 0.0;
    }
    const std::uint64_t before = is_known || !categories_.has_room(text) ? counts_[known] : 0;
    return static_cast<double>(before + 1) / static_cast<double>(n_rows + 1);
  }

  Encoding encoding_;
  CategoryTable categories_;
  std::size_t n_slots_;
  std::vector<std::uint64_t> counts_;
  bool is_fitted_ = false;
};

}  // namespace freshet::featuresdetail
