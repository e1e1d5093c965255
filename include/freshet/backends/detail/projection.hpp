#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "freshet/core/matrix_view.hpp"
#include "freshet/core/random.hpp"

/// @file
/// Sparse projections, and the arithmetic in which PyOD computes them.
///
/// A projected value that lies on the edge of a histogram bin up to rounding (the smallest
/// training value always does, ties and constants often do) falls on the side that rounding
/// decides. PyOD projects with OpenBLAS, all training rows by one matrix product and a single row
/// by a dot product, which add in different orders; the orders of its kernels for x86-64 with
/// AVX-512 (with AVX2 they differ from 32 columns on) are kept here, one thread computing. Away
/// from the edges the plain sum is as good and faster.

namespace freshet::backendsdetail {

/// One weight of a projection that is not zero.
struct ProjectionTerm {
  double weight = 0.0;
  std::size_t column = 0;

  friend bool operator==(const ProjectionTerm&, const ProjectionTerm&) = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(weight, column);
  }
};

/// A projection: its terms in ascending order of columns.
using Projection = std::span<const ProjectionTerm>;

/// Several projections of rows of the same width.
class ProjectionSet {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }
  [[nodiscard]] Projection operator[](std::size_t i) const noexcept {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {terms_.data() + begin, ends_[i] - begin};
  }

  /// Adds the projection with these weights, one per column.
  void add(RowView weights) {
    for (std::size_t j = 0; j < weights.size(); ++j) {
      if (weights[j] != 0.0) terms_.push_back({weights[j], j});
    }
    ends_.push_back(terms_.size());
  }

  /// Adds a projection with normal weights for ⌊√n_columns⌋ random columns.
  void add_random(std::size_t n_columns, RandomGenerator& random) {
    const auto n_used = static_cast<std::size_t>(std::sqrt(static_cast<double>(n_columns)));
    std::vector<std::size_t> columns(n_columns);
    std::iota(columns.begin(), columns.end(), std::size_t{0});
    random.shuffle(std::span(columns));
    std::sort(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(n_used));
    for (std::size_t k = 0; k < n_used; ++k) terms_.push_back({random.normal(), columns[k]});
    ends_.push_back(terms_.size());
  }

  /// All weights, size() × n_columns.
  [[nodiscard]] Matrix weights(std::size_t n_columns) const {
    Matrix result(size(), n_columns);
    for (std::size_t i = 0; i < size(); ++i) {
      for (const ProjectionTerm& term : (*this)[i]) result(i, term.column) = term.weight;
    }
    return result;
  }

  /// Whether all terms are of columns below `n_columns`; false only for a damaged snapshot.
  [[nodiscard]] bool fits(std::size_t n_columns) const noexcept {
    return std::all_of(terms_.begin(), terms_.end(),
                       [n_columns](const ProjectionTerm& term) { return term.column < n_columns; });
  }

  friend bool operator==(const ProjectionSet&, const ProjectionSet&) = default;

  /// Reads or writes the projections; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(ends_, terms_);
    archive.require(std::is_sorted(ends_.begin(), ends_.end()) &&
                        (ends_.empty() ? terms_.empty() : ends_.back() == terms_.size()),
                    "projections");
  }

 private:
  std::vector<std::size_t> ends_;  // where the terms of each projection end
  std::vector<ProjectionTerm> terms_;
};

/// The projection of `row`, in the order of the columns.
[[nodiscard]] inline double project(Projection terms, RowView row) noexcept {
  double sum = 0.0;
  for (const ProjectionTerm& term : terms) sum += term.weight * row[term.column];
  return sum;
}

/// The projection of `row` as OpenBLAS computes a dot product: blocks of 32 and 16 columns in as
/// many sums, then the rest one by one, all with fused multiplication and addition.
[[nodiscard]] inline double project_as_dot(Projection terms, RowView row) noexcept {
  const std::size_t in_16s = row.size() / 16 * 16;
  const std::size_t in_32s = in_16s / 32 * 32;
  auto term = terms.begin();
  const auto add_to = [&](double& sum) { sum = std::fma(term->weight, row[term->column], sum); };
  std::array<double, 32> wide{};
  for (; term != terms.end() && term->column < in_32s; ++term) add_to(wide[term->column % 32]);
  std::array<double, 16> sums{};
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const std::size_t first = i / 4 * 8 + i % 4;
    sums[i] = wide[first] + wide[first + 4];
  }
  for (; term != terms.end() && term->column < in_16s; ++term) add_to(sums[term->column % 16]);
  for (std::size_t i = 0; i < 4; ++i) sums[i] = sums[i] + sums[4 + i] + sums[8 + i] + sums[12 + i];
  double dot = (sums[0] + sums[2]) + (sums[1] + sums[3]);
  for (; term != terms.end(); ++term) add_to(dot);
  return dot;
}

/// The projection of row `i` of `rows` as OpenBLAS computes it in the product of all rows with
/// one vector: four columns side by side for the rows in groups of four, without fused operations
/// for the two and the one that may be left over; the last columns, up to three, at the end.
[[nodiscard]] inline double project_as_product(Projection terms, MatrixView rows,
                                               std::size_t i) noexcept {
  const RowView row = rows.row(i);
  if (rows.n_rows() == 1) return project_as_dot(terms, row);
  const std::size_t rows_in_fours = rows.n_rows() / 4 * 4;
  const std::size_t columns_in_fours = row.size() / 4 * 4;
  const bool is_fused = i < rows_in_fours;
  const bool is_of_two = !is_fused && rows.n_rows() % 4 >= 2 && i < rows_in_fours + 2;
  const std::size_t lanes = is_of_two ? 2 : 4;
  std::array<double, 4> sums{};
  std::array<double, 3> weights{};
  std::array<double, 3> values{};
  for (const auto& [weight, column] : terms) {
    const double value = row[column];
    if (column >= columns_in_fours) {
      weights[column - columns_in_fours] = weight;
      values[column - columns_in_fours] = value;
    } else {
      double& sum = sums[column % lanes];
      sum = is_fused ? std::fma(weight, value, sum) : sum + weight * value;
    }
  }
  const double sum = (sums[0] + sums[2]) + (sums[1] + sums[3]);
  const std::size_t n_last = row.size() - columns_in_fours;
  if (n_last == 1) return std::fma(weights[0], values[0], sum);
  const double two = std::fma(weights[0], values[0], weights[1] * values[1]);
  return sum + (n_last == 3 ? std::fma(weights[2], values[2], two) : two);
}

/// By how much the orders of addition may differ, relative to the largest magnitude of the row.
[[nodiscard]] inline double rounding_slack(Projection terms) noexcept {
  if (terms.size() < 2) return 0.0;
  double weights = 0.0;
  for (const ProjectionTerm& term : terms) weights += std::abs(term.weight);
  return 2.0 * std::numeric_limits<double>::epsilon() * static_cast<double>(terms.size()) * weights;
}

/// The largest magnitude of a row.
[[nodiscard]] inline double largest_magnitude(RowView row) noexcept {
  double largest = 0.0;
  for (const double x : row) largest = std::max(largest, std::abs(x));
  return largest;
}

/// The projections of all `rows`, in the order of the columns.
[[nodiscard]] inline std::vector<double> project_rows(Projection terms, MatrixView rows) {
  std::vector<double> projected(rows.n_rows());
  for (std::size_t i = 0; i < rows.n_rows(); ++i) projected[i] = project(terms, rows.row(i));
  return projected;
}

/// The projections of all `rows` as PyOD computes them.
[[nodiscard]] inline std::vector<double> project_rows_as_product(Projection terms,
                                                                 MatrixView rows) {
  std::vector<double> projected(rows.n_rows());
  for (std::size_t i = 0; i < rows.n_rows(); ++i) projected[i] = project_as_product(terms, rows, i);
  return projected;
}

}  // namespace freshet::backendsdetail
