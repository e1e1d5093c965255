#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "freshet/features/encoding.hpp"
#include "freshet/features/stable_hash.hpp"

/// @file
/// The categories of a column, found by their text.

namespace freshet::featuresdetail {

/// Texts in order of first appearance, each found in O(1) without an allocation. All text is in one
/// block, so that many categories cost little more than their bytes.
class CategoryTable {
 public:
  /// @param capacity the most texts, up to `largest_n_categories`.
  explicit CategoryTable(std::size_t capacity = 0) : capacity_(capacity) {}

  [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }

  /// The text that came as number `i`, below `size()`.
  [[nodiscard]] std::string_view operator[](std::size_t i) const noexcept {
    assert(i < size());
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(texts_).substr(begin, ends_[i] - begin);
  }

  /// The number of `text`; `size()` when it is not there.
  [[nodiscard]] std::size_t find(std::string_view text) const noexcept {
    if (slots_.empty()) return size();
    const std::uint32_t found = slots_[slot_of(text)];
    return found == free ? size() : found;
  }

  /// Whether a text that is not there can be added.
  [[nodiscard]] bool has_room(std::string_view text) const noexcept {
    return size() < capacity_ && text.size() <= largest_category_text - texts_.size();
  }

  /// Adds a text that is not there and for which there is room. If memory is short, nothing has
  /// changed. Amortised O(1).
  void add(std::string_view text) {
    assert(find(text) == size() && has_room(text));
    if (2 * (size() + 1) > slots_.size()) spread(slots_.empty() ? 16 : 2 * slots_.size());
    if (ends_.size() == ends_.capacity()) ends_.reserve(2 * ends_.size() + 8);
    texts_.append(text);
    slots_[slot_of(text)] = static_cast<std::uint32_t>(size());
    ends_.push_back(static_cast<std::uint32_t>(texts_.size()));
  }

  /// Forgets every text and frees its memory.
  void clear() noexcept { *this = CategoryTable(capacity_); }

  /// Where texts are found follows from which there are, and in what order.
  friend bool operator==(const CategoryTable& a, const CategoryTable& b) noexcept {
    return a.capacity_ == b.capacity_ && a.ends_ == b.ends_ && a.texts_ == b.texts_;
  }

 private:
  static constexpr std::uint32_t free = ~std::uint32_t{0};

  /// The slot that holds `text`, or else the free one for it. At least half of the slots are free.
  [[nodiscard]] std::size_t slot_of(std::string_view text) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = stable_hash(text) & mask;
    while (slots_[slot] != free && (*this)[slots_[slot]] != text) slot = (slot + 1) & mask;
    return slot;
  }

  void spread(std::size_t n_slots) {
    std::vector<std::uint32_t> slots(n_slots, free);
    std::swap(slots_, slots);
    for (std::size_t i = 0; i < size(); ++i) {
      slots_[slot_of((*this)[i])] = static_cast<std::uint32_t>(i);
    }
  }

  std::size_t capacity_;
  std::string texts_;                // one after the other
  std::vector<std::uint32_t> ends_;  // where each ends
  std::vector<std::uint32_t>
      slots_;  // numbers of texts by hash; a power of two, with linear probing
};

}  // namespace freshet::featuresdetail
