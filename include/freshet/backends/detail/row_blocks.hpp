#pragma once

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "freshet/backends/detail/neighbors.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/nn/instruction_set.hpp"

/// @file
/// Rows that are searched for the nearest ones of another, all of them, many at a time.
///
/// Made for the rows of a window, some thousands: all is fetched ahead, hardly a branch is
/// predicted wrongly, and columns cost what they cost anywhere.

namespace freshet::backendsdetail {

/// Rows in blocks of `block_rows`: of every column the values of the block's rows side by side.
/// Immutable.
class RowBlocks {
 public:
  static constexpr std::size_t block_rows = 16;

  RowBlocks() = default;

  /// A copy of the rows, at most 2³² - 1.
  explicit RowBlocks(MatrixView rows)
      : n_rows_(rows.n_rows()), n_columns_(rows.n_columns()), lines_(2 * n_blocks() * n_columns_) {
    // What fills up the last block is infinitely far away.
    if (n_rows_ % block_rows != 0) {
      const auto last = lines_.end() - static_cast<std::ptrdiff_t>(2 * n_columns_);
      for (auto line = last; line != lines_.end(); ++line) {
        std::ranges::fill(line->values, std::numeric_limits<double>::infinity());
      }
    }
    for (std::size_t i = 0; i < n_rows_; ++i) {
      for (std::size_t j = 0; j < n_columns_; ++j)
        lines_[line_of(i, j)].values[i % line_width] = rows(i, j);
    }
  }

  [[nodiscard]] std::size_t n_rows() const noexcept { return n_rows_; }
  [[nodiscard]] std::size_t n_columns() const noexcept { return n_columns_; }
  [[nodiscard]] double operator()(std::size_t i, std::size_t j) const noexcept {
    return lines_[line_of(i, j)].values[i % line_width];
  }

  /// A copy of the rows as a matrix.
  [[nodiscard]] Matrix rows() const {
    Matrix rows(n_rows_, n_columns_);
    for (std::size_t i = 0; i < n_rows_; ++i) {
      for (std::size_t j = 0; j < n_columns_; ++j) rows(i, j) = (*this)(i, j);
    }
    return rows;
  }

  /// The `n_neighbors` rows nearest to `row`; there have to be as many. O(rows · columns) and what
  /// the nearest cost, no allocation.
  /// @param instructions  what the processor has; the same is found whatever it is
  [[nodiscard]] Neighbors nearest(
      RowView row, std::size_t n_neighbors,
      nn::InstructionSet instructions = nn::best_instruction_set()) const noexcept {
    Neighbors found(n_neighbors);
    // In a stream that drifts the last rows are the nearest.
    begin(row, n_blocks(), nobody, found, instructions);
    search(row, 0, n_blocks(), nobody, found, instructions);
    return found;
  }

  /// Calls `use(i, neighbors)` for every row with its `n_neighbors` nearest ones among the others,
  /// of which there have to be as many.
  /// @param rows  the same rows once more
  template <class Use>
  void each_row_and_nearest(MatrixView rows, std::size_t n_neighbors, const Use& use) const {
    // Some rows against some blocks at a time, so that both stay in the nearest cache.
    constexpr std::size_t rows_at_a_time = 8;
    constexpr std::size_t lines_at_a_time = 512;
    const nn::InstructionSet instructions = nn::best_instruction_set();
    const std::size_t step = std::max<std::size_t>(lines_at_a_time / (2 * n_columns_), 1);
    std::vector<Neighbors> found(rows_at_a_time, Neighbors(n_neighbors));
    for (std::size_t first = 0; first < n_rows_; first += rows_at_a_time) {
      const std::size_t n = std::min(rows_at_a_time, n_rows_ - first);
      for (std::size_t i = 0; i < n; ++i) {
        begin(rows.row(first + i), first / block_rows, first + i, found[i], instructions);
      }
      for (std::size_t block = 0; block < n_blocks(); block += step) {
        const std::size_t end = std::min(block + step, n_blocks());
        for (std::size_t i = 0; i < n; ++i) {
          search(rows.row(first + i), block, end, first + i, found[i], instructions);
        }
      }
      for (std::size_t i = 0; i < n; ++i) use(first + i, found[i]);
    }
  }

  friend bool operator==(const RowBlocks& left, const RowBlocks& right) {
    return left.rows() == right.rows();
  }

  /// Reads or writes the rows; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    Matrix values;
    if constexpr (!Archive::is_reading) values = rows();
    archive(values);
    archive.require(values.n_columns() > 0 || values.n_rows() == 0, "number of columns");
    archive.require(all_finite(values), "rows");
    if constexpr (Archive::is_reading) *this = RowBlocks(values);
  }

 private:
  static constexpr std::size_t line_width = block_rows / 2;
  static constexpr std::size_t nobody = ~std::size_t{0};
  struct alignas(64) Line {
    double values[line_width];
  };

  struct Register16 {
    using Values [[gnu::vector_size(16)]] = double;
    using Flags [[gnu::vector_size(16)]] = std::int64_t;
    static constexpr Flags bits = {1, 2};
  };
  struct Register32 {
    using Values [[gnu::vector_size(32)]] = double;
    using Flags [[gnu::vector_size(32)]] = std::int64_t;
    static constexpr Flags bits = {1, 2, 4, 8};
  };

  [[nodiscard]] std::size_t n_blocks() const noexcept {
    return (n_rows_ + block_rows - 1) / block_rows;
  }
  [[nodiscard]] std::size_t line_of(std::size_t i, std::size_t j) const noexcept {
    return 2 * (i / block_rows * n_columns_ + j) + i % block_rows / line_width;
  }

  // Bounds the distance of the farthest neighbor by that among the rows around a block. Without a
  // bound, where each row is nearer than those before it, each would be taken in.
  void begin(RowView row, std::size_t block, std::size_t excluded, Neighbors& found,
             nn::InstructionSet instructions) const noexcept {
    found.forget();
    // Rows enough, but for the one excluded and what a last block lacks.
    const std::size_t n = found.size() / block_rows + 2;
    if (8 * n > n_blocks()) return;  // that would take as long as it saves
    const std::size_t first = std::min(block - std::min(block, n / 2), n_blocks() - n);
    search(row, first, first + n, excluded, found, instructions);
    found.forget(found.largest_squared());
  }

  void search(RowView row, std::size_t block, std::size_t end, std::size_t excluded,
              Neighbors& found, [[maybe_unused]] nn::InstructionSet instructions) const noexcept {
    assert(row.size() == n_columns_);
#if defined(__x86_64__)
    if (instructions != nn::InstructionSet::baseline) {
      return search_by_avx2(row, block, end, excluded, found);
    }
#endif
    scan<Register16>(row, block, end, excluded, found);
  }

#if defined(__x86_64__)
  // Without fused multiply-add, which would round otherwise than the other machines do.
  [[gnu::target("avx2")]] void search_by_avx2(RowView row, std::size_t block, std::size_t end,
                                              std::size_t excluded,
                                              Neighbors& found) const noexcept {
    scan<Register32>(row, block, end, excluded, found);
  }
#endif

  // Each distance is summed from the first column to the last, whatever the machine. Four registers
  // of rows at a time: sums that do not wait for each other.
  template <class Register>
  [[gnu::always_inline]] void scan(RowView row, std::size_t block, std::size_t end,
                                   std::size_t excluded, Neighbors& found) const noexcept {
    using Values = typename Register::Values;
    using Flags = typename Register::Flags;
    constexpr std::size_t width = sizeof(Values) / sizeof(double);
    for (std::size_t first = block * block_rows; first < end * block_rows; first += 4 * width) {
      const double* side_by_side = &lines_[line_of(first, 0)].values[first % line_width];
      Values sums[4] = {};
      for (const double value : row) {
        const auto* values = reinterpret_cast<const Values*>(side_by_side);
        const Values differences[] = {values[0] - value, values[1] - value, values[2] - value,
                                      values[3] - value};
        sums[0] += differences[0] * differences[0];
        sums[1] += differences[1] * differences[1];
        sums[2] += differences[2] * differences[2];
        sums[3] += differences[3] * differences[3];
        side_by_side += block_rows;
      }
      const double limit = found.largest_squared();
      // Of each nearer row its own bit.
      Flags flags = (sums[0] < limit) & Register::bits;
      flags |= (sums[1] < limit) & (Register::bits << width);
      flags |= (sums[2] < limit) & (Register::bits << 2 * width);
      flags |= (sums[3] < limit) & (Register::bits << 3 * width);
      std::uint64_t nearer = joined<Register>(flags);
      if (nearer == 0) [[likely]]
        continue;
      double squared[4 * width];
      std::memcpy(squared, sums, sizeof squared);
      for (; nearer != 0; nearer &= nearer - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(nearer));
        if (first + i != excluded) found.offer<Register>(squared[i], first + i);
      }
    }
  }

  template <class Register>
  [[gnu::always_inline]] static std::uint64_t joined(
      const typename Register::Flags& flags) noexcept {
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < sizeof(flags) / sizeof(all); ++i) {
      all |= static_cast<std::uint64_t>(flags[i]);
    }
    return all;
  }

  std::size_t n_rows_ = 0;
  std::size_t n_columns_ = 0;
  std::vector<Line> lines_;
};

}  // namespace freshet::backendsdetail
