#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>

#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/training_rows.hpp"

/// @file
/// The nearest rows that a search has found so far.

namespace freshet::backendsdetail {

/// What a search has room for, on the stack.
inline constexpr std::size_t max_neighbors = 1000;

/// Distances are cut here: only scaled values can be farther apart than that, and whatever is made
/// of the scores stays finite.
inline constexpr double largest_squared_distance = 1e280;

/// Throws ConfigurationError unless a search has room for `n_neighbors`.
inline void require_n_neighbors(std::size_t n_neighbors) {
  require_parameter(n_neighbors >= 1 && n_neighbors <= max_neighbors, "n_neighbors",
                    "an integer from 1 to 1000");
}

/// Throws FitError unless every one of `rows` has `n_neighbors` others.
inline void require_other_rows(MatrixView rows, std::size_t n_neighbors) {
  require_training_rows(rows, n_neighbors + 1, std::to_string(n_neighbors) + " neighbors of each",
                        "n_neighbors");
}

/// The `size()` nearest rows found so far, the nearest first, of equally near ones those that were
/// offered first.
class Neighbors {
 public:
  /// None found; `size` from 1 to `max_neighbors`.
  explicit Neighbors(std::size_t size) noexcept : size_(size) {
    assert(size >= 1 && size <= max_neighbors);
    forget();
  }

  /// None found; rows that are farther than `limit` will not be.
  void forget(double limit = largest_squared_distance) noexcept {
    // What is never found, since all rows are farther than any number tells, is the first row.
    const double beyond = std::nextafter(limit, std::numeric_limits<double>::infinity());
    squared_distances_[0] = -1.0;
    std::fill_n(squared_distances_.begin() + 1, size_ + slack,
                std::min(beyond, largest_squared_distance));
    std::fill_n(indices_.begin(), size_ + 1 + slack, 0);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// A row's place in the training data.
  [[nodiscard]] std::size_t index(std::size_t i) const noexcept {
    return static_cast<std::size_t>(indices_[i + 1]);
  }
  [[nodiscard]] double distance(std::size_t i) const noexcept {
    return std::sqrt(squared_distance(i));
  }
  [[nodiscard]] double squared_distance(std::size_t i) const noexcept {
    return squared_distances_[i + 1];
  }
  /// What a row has to be nearer than.
  [[nodiscard]] double largest_squared() const noexcept { return squared_distances_[size_]; }

  /// Takes a row in if it is nearer than one of those found. O(size), a register of them at a time:
  /// each stays, or moves by one, or gives way to the new one, without a branch to predict.
  template <class Register>
  [[gnu::always_inline]] void offer(double squared_distance, std::size_t index) noexcept {
    using Values = typename Register::Values;
    using Flags = typename Register::Flags;
    constexpr std::size_t width = sizeof(Values) / sizeof(double);
    static_assert(width <= slack + 1);
    if (!(squared_distance < largest_squared())) return;
    const Values new_value = Values{} + squared_distance;
    const Flags new_index = Flags{} + static_cast<std::int64_t>(index);
    for (std::size_t end = (size_ + width - 1) / width * width; end > 0; end -= width) {
      double* const values = squared_distances_.data() + end - width;
      std::int64_t* const indices = indices_.data() + end - width;
      Values value;
      Values value_before;
      Flags index_here;
      Flags index_before;
      std::memcpy(&value, values + 1, sizeof value);
      std::memcpy(&value_before, values, sizeof value);
      std::memcpy(&index_here, indices + 1, sizeof index_here);
      std::memcpy(&index_before, indices, sizeof index_here);
      const Flags stays = value <= squared_distance;
      const Flags is_place = value_before <= squared_distance;
      value = stays ? value : (is_place ? new_value : value_before);
      index_here = stays ? index_here : (is_place ? new_index : index_before);
      std::memcpy(values + 1, &value, sizeof value);
      std::memcpy(indices + 1, &index_here, sizeof index_here);
    }
  }

 private:
  static constexpr std::size_t slack = 3;  // of the last register

  std::size_t size_;
  // The first of either stands before the nearest row. Only what is used is ever written: it is a
  // long way through all of it.
  std::array<double, max_neighbors + 1 + slack> squared_distances_;
  std::array<std::int64_t, max_neighbors + 1 + slack> indices_;
};

/// Adds to `shares` what each column has of `amount`, in proportion to the squared differences of
/// `row` from `other(j)`; equally, when they are the same.
template <class Other>
void share_by_squares(double amount, RowView row, const Other& other,
                      std::span<double> shares) noexcept {
  double largest = 0.0;
  for (std::size_t j = 0; j < row.size(); ++j) {
    largest = std::max(largest, std::abs(row[j] - other(j)));
  }
  if (largest == 0.0) {
    for (double& share : shares) share += amount / static_cast<double>(shares.size());
    return;
  }
  // Relative to the largest, whose square may be beyond all numbers, or below them.
  const auto square = [&](std::size_t j) {
    const double relative = (row[j] - other(j)) / largest;
    return relative * relative;
  };
  double total = 0.0;
  for (std::size_t j = 0; j < row.size(); ++j) total += square(j);
  for (std::size_t j = 0; j < row.size(); ++j) shares[j] += amount * (square(j) / total);
}

}  // namespace freshet::backendsdetail
