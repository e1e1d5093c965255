#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"

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
  if (n_neighbors < rows.n_rows()) return;
  const std::string expected = "more than " + std::to_string(n_neighbors);
  throw FitError(ErrorCode::fit_failed,
                 std::to_string(n_neighbors) + " neighbors of each row need " + expected +
                     " rows, not " + std::to_string(rows.n_rows()),
                 "n_neighbors", expected + " training rows");
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

  /// None found.
  void forget() noexcept {
    // What is never found, since all rows are farther than any number tells, is the first row.
    std::fill_n(squared_distances_.begin(), size_, largest_squared_distance);
    std::fill_n(indices_.begin(), size_, 0U);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// A row's place in the training data.
  [[nodiscard]] std::size_t index(std::size_t i) const noexcept { return indices_[i]; }
  [[nodiscard]] double squared_distance(std::size_t i) const noexcept {
    return squared_distances_[i];
  }
  [[nodiscard]] double distance(std::size_t i) const noexcept {
    return std::sqrt(squared_distances_[i]);
  }
  /// What a row has to be nearer than.
  [[nodiscard]] double largest_squared() const noexcept { return squared_distances_[size_ - 1]; }

  /// Takes a row in if it is nearer than one of those found. O(size).
  void offer(double squared_distance, std::uint32_t index) noexcept {
    if (!(squared_distance < largest_squared())) return;
    std::size_t place = size_ - 1;
    for (; place > 0 && squared_distance < squared_distances_[place - 1]; --place) {
      squared_distances_[place] = squared_distances_[place - 1];
      indices_[place] = indices_[place - 1];
    }
    squared_distances_[place] = squared_distance;
    indices_[place] = index;
  }

 private:
  std::size_t size_;
  // Only what is used is ever written: it is a long way through all of it.
  std::array<double, max_neighbors> squared_distances_;
  std::array<std::uint32_t, max_neighbors> indices_;
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
