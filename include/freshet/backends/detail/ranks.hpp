#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

/// @file
/// Order statistics of columns: sorting them once at training, and finding where new values stand
/// in them at scoring.

namespace freshet::backendsdetail {

/// Sorts columns and tells where each value came from, several times faster than comparing: by the
/// leading bits with a radix sort, and by insertion where those bits tie. Columns that tie too
/// often for that (a crowd of close values and a few far away) get a radix sort of all bits, so
/// that sorting n values is O(n) always. Keeps its work space from column to column.
class ColumnSorter {
 public:
  /// Sorts `column` in place; negative and positive zeros count as equal and become positive.
  /// @return where each value of the sorted column stood before, valid until the next call.
  std::span<const std::size_t> sort(std::span<double> column) {
    const std::uint64_t smallest = load(column);
    sort_by_digits<leading_digits>(n_bits_ > leading_bits ? n_bits_ - leading_bits : 0);
    if (!insert_in_order(insertions_per_value * column.size())) sort_by_digits<all_digits>(0);
    for (std::size_t i = 0; i < column.size(); ++i) {
      column[i] = value_of(items_[i].key + smallest);
      origins_[i] = items_[i].origin;
    }
    return origins_;
  }

 private:
  static constexpr std::size_t digit_bits = 8;
  static constexpr std::size_t radix = std::size_t{1} << digit_bits;
  static constexpr std::size_t leading_digits = 3;
  static constexpr std::size_t leading_bits = leading_digits * digit_bits;
  static constexpr std::size_t all_digits = 64 / digit_bits;
  static constexpr std::size_t insertions_per_value = 4;
  static constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63U;

  struct Item {
    std::uint64_t key;  // above the column's smallest
    std::size_t origin;
  };

  // Unsigned integers in the order of the doubles: the sign bit flipped for positive numbers, all
  // bits for negative ones; without branches, which random signs would mispredict.
  static std::uint64_t key_of(double value) noexcept {
    const auto bits = std::bit_cast<std::uint64_t>(value + 0.0);  // -0.0 becomes 0.0
    return bits ^ ((std::uint64_t{0} - (bits >> 63U)) | sign_bit);
  }
  static double value_of(std::uint64_t key) noexcept {
    return std::bit_cast<double>(key ^ (((key >> 63U) - 1) | sign_bit));
  }

  // Returns the smallest key.
  std::uint64_t load(std::span<const double> column) {
    items_.resize(column.size());
    sorted_items_.resize(column.size());
    origins_.resize(column.size());
    std::uint64_t smallest = ~std::uint64_t{0};
    std::uint64_t largest = 0;
    for (std::size_t i = 0; i < column.size(); ++i) {
      items_[i] = {key_of(column[i]), i};
      smallest = std::min(smallest, items_[i].key);
      largest = std::max(largest, items_[i].key);
    }
    for (Item& item : items_) item.key -= smallest;
    n_bits_ = static_cast<std::size_t>(std::bit_width(largest - smallest));
    return smallest;
  }

  // A radix sort by `n_digits` digits from bit `first_bit` on, the least significant first. All
  // digits are counted in one go: counting one alone waits for itself when many items share it.
  template <std::size_t n_digits>
  void sort_by_digits(std::size_t first_bit) noexcept {
    const auto digit = [first_bit](const Item& item, std::size_t d) {
      return (item.key >> (first_bit + d * digit_bits)) & (radix - 1);
    };
    std::array<std::array<std::uint32_t, radix>, n_digits> starts{};
    for (const Item& item : items_) {
      for (std::size_t d = 0; d < n_digits; ++d) ++starts[d][digit(item, d)];
    }
    for (std::size_t d = 0; d < n_digits; ++d) {
      std::exclusive_scan(starts[d].begin(), starts[d].end(), starts[d].begin(), 0U);
      for (const Item& item : items_) sorted_items_[starts[d][digit(item, d)]++] = item;
      items_.swap(sorted_items_);
    }
  }

  // An insertion sort that gives up after `budget` steps; whether it finished.
  bool insert_in_order(std::size_t budget) noexcept {
    for (std::size_t i = 1; i < items_.size(); ++i) {
      const Item item = items_[i];
      std::size_t place = i;
      for (; place > 0 && items_[place - 1].key > item.key; --place) {
        items_[place] = items_[place - 1];
      }
      items_[place] = item;
      if (i - place > budget) return false;
      budget -= i - place;
    }
    return true;
  }

  std::vector<Item> items_;
  std::vector<Item> sorted_items_;
  std::vector<std::size_t> origins_;
  std::size_t n_bits_ = 0;  // of the largest key
};

/// Which values a count of smaller ones takes in.
enum class Bound : bool { at_most, less };

/// How many of the ascending values are at most, or less than, `x[lane]`, for `Lanes` columns at
/// once: `columns` holds them one after the other, `n` values each, `n` at least 1.
///
/// Binary search without branches on the data. The lanes are independent of each other, so that
/// the processor overlaps their memory latencies.
template <Bound bound, std::size_t Lanes>
void count_below(const double* columns, std::size_t n, const double* x,
                 std::size_t* counts) noexcept {
  const auto is_below = [](double value, double limit) {
    return static_cast<std::size_t>(bound == Bound::less ? value < limit : value <= limit);
  };
  std::array<const double*, Lanes> base;
  for (std::size_t lane = 0; lane < Lanes; ++lane) base[lane] = columns + lane * n;
  for (std::size_t length = n; length > 1; length -= length / 2) {
    const std::size_t half = length / 2;
    for (std::size_t lane = 0; lane < Lanes; ++lane) {
      base[lane] += half * is_below(base[lane][half - 1], x[lane]);
    }
  }
  for (std::size_t lane = 0; lane < Lanes; ++lane) {
    const double* column = columns + lane * n;
    counts[lane] = static_cast<std::size_t>(base[lane] - column) + is_below(*base[lane], x[lane]);
  }
}

/// The same for `n_columns` columns, 1 … `Lanes`: picks the search that was compiled for so many
/// columns and keeps its positions in registers.
template <Bound bound, std::size_t Lanes>
void count_below(const double* columns, std::size_t n_columns, std::size_t n, const double* x,
                 std::size_t* counts) noexcept {
  if constexpr (Lanes > 1) {
    if (n_columns < Lanes) {
      return count_below<bound, Lanes - 1>(columns, n_columns, n, x, counts);
    }
  }
  count_below<bound, Lanes>(columns, n, x, counts);
}

}  // namespace freshet::backendsdetail
