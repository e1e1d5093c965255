#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <span>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/validate.hpp"

/// @file
/// The last N rows of a stream, always one contiguous block.

namespace freshet {

/// Keeps the last `capacity` rows of `n_columns` values, contiguous and in order.
///
/// Rows are written at the end of a buffer a quarter longer than the window; when the end is
/// reached the window moves back to the front, so that appending is O(columns) amortised and any
/// run of rows can be seen as a matrix or as one long vector without a copy.
///
/// A row is appended in two steps: `stage()` gives the place after the last row, to be filled,
/// and `commit()` makes it part of the window. In between the staged row can be seen together with
/// those before it, and leaving it uncommitted changes nothing.
class SlidingWindow {
 public:
  SlidingWindow() = default;

  /// @param capacity rows kept, at least 1.
  /// @param n_columns values per row, at least 1.
  SlidingWindow(std::size_t capacity, std::size_t n_columns)
      : capacity_(capacity), n_columns_(n_columns) {
    require_parameter(capacity >= 1, "window_size", "at least 1");
    require_parameter(n_columns >= 1, "n_features", "at least 1");
    require_parameter(capacity <= max_values / n_columns, "window_size",
                      "at most 2^40 values in all");
    buffer_.resize(buffer_rows() * n_columns);
  }

  /// Rows that are in it.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Rows that it holds at most.
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  /// Values of a row.
  [[nodiscard]] std::size_t n_columns() const noexcept { return n_columns_; }
  /// Whether each new row drops the oldest.
  [[nodiscard]] bool full() const noexcept { return size_ == capacity_; }

  /// The place for the next row: `n_columns()` values after the last row. Invalidates views.
  [[nodiscard]] std::span<double> stage() noexcept {
    if (begin_ + size_ == buffer_rows()) {
      // All but the oldest row of a full window would do, but a row that is staged and then
      // refused must leave the window whole.
      std::copy_n(at(begin_), size_ * n_columns_, buffer_.data());
      begin_ = 0;
    }
    return {at(begin_ + size_), n_columns_};
  }

  /// Appends the staged row; the oldest one leaves a full window. O(1).
  void commit() noexcept {
    if (full()) {
      ++begin_;
    } else {
      ++size_;
    }
  }

  /// Stages a copy of `row` and commits it. O(columns).
  void push(RowView row) noexcept {
    assert(row.size() == n_columns_);
    std::copy(row.begin(), row.end(), stage().begin());
    commit();
  }

  /// The rows of the window, the oldest first.
  [[nodiscard]] MatrixView view() const noexcept {
    return {buffer_.data() + begin_ * n_columns_, size_, n_columns_};
  }

  /// The last `width` rows as one vector, the oldest first; `width <= size()`.
  [[nodiscard]] RowView shingle(std::size_t width) const noexcept {
    assert(width <= size_);
    return {buffer_.data() + (begin_ + size_ - width) * n_columns_, width * n_columns_};
  }

  /// The last `width - 1` rows and the staged one as one vector; `width - 1 <= size()`.
  [[nodiscard]] RowView staged_shingle(std::size_t width) const noexcept {
    assert(width >= 1 && width - 1 <= size_);
    return {buffer_.data() + (begin_ + size_ + 1 - width) * n_columns_, width * n_columns_};
  }

  /// Forgets all rows.
  void clear() noexcept {
    begin_ = 0;
    size_ = 0;
  }

  /// Makes room for `capacity()` rows in a window that was read.
  void make_room() { buffer_.resize(buffer_rows() * n_columns_); }

  /// Reads or writes the window's rows; see io/archive.hpp. What was read has no room for further
  /// ones before `make_room()`: whoever reads it knows first whether its shape can be right.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(capacity_, n_columns_, size_);
    if constexpr (Archive::is_reading) {
      archive.require(capacity_ >= 1 && n_columns_ >= 1 && size_ <= capacity_ &&
                          capacity_ <= max_values / n_columns_,
                      "window shape");
      archive.require_available(size_, n_columns_ * sizeof(double));
      begin_ = 0;
      buffer_.assign(size_ * n_columns_, 0.0);
    }
    archive.values(std::span<double>(at(begin_), size_ * n_columns_));
    archive.require(features_acceptable(view()), "window values");
  }

 private:
  /// Keeps sizes in bytes far from overflow.
  static constexpr std::size_t max_values = std::size_t{1} << 40U;

  /// The window, a quarter of it as slack, and the staged row.
  [[nodiscard]] std::size_t buffer_rows() const noexcept { return capacity_ + capacity_ / 4 + 1; }
  [[nodiscard]] double* at(std::size_t row) noexcept { return buffer_.data() + row * n_columns_; }

  std::vector<double> buffer_;
  std::size_t capacity_ = 0;
  std::size_t n_columns_ = 0;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

}  // namespace freshet
