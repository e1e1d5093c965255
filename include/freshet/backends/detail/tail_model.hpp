#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "freshet/backends/detail/ranks.hpp"
#include "freshet/backends/detail/skewness.hpp"
#include "freshet/backends/detail/summation.hpp"
#include "freshet/backends/variant.hpp"
#include "freshet/core/matrix_view.hpp"

/// @file
/// The model behind ECOD and COPOD, which differ only in how the two tails of a column combine.

namespace freshet::backendsdetail {

/// The surprise -log p of a value's two tails: of the values at most, and at least, as large.
struct Tails {
  double left = 0.0;
  double right = 0.0;
};

/// -log of the share that `1 … n` of `n` values have, in the arithmetic of `numpy.linspace`.
[[nodiscard]] inline std::vector<double> share_surprises(std::size_t n) {
  const double first = 1.0 / static_cast<double>(n);
  const double step = n > 1 ? (1.0 - first) / static_cast<double>(n - 1) : 0.0;
  std::vector<double> surprises(n);  // the last share is exactly 1
  for (std::size_t i = 0; i + 1 < n; ++i) {
    const double share = static_cast<double>(i) * step + first;
    surprises[i] = -std::log(share);
  }
  return surprises;
}

/// A trained ECOD or COPOD. `Rule::combine(tails, skewness_sign)` is a column's term of the score
/// in `Variant::pyod`.
template <class Rule>
class TailModel {
 public:
  TailModel() = default;

  /// Trains on `rows`, at least one. O(rows · columns).
  TailModel(MatrixView rows, Variant variant)
      : variant_(variant), n_rows_(rows.n_rows()), n_features_(rows.n_columns()) {
    signs_ = skewness_signs(rows);
    load_columns(rows);
    if (variant_ == Variant::pyod) {
      fit_pyod();
    } else {
      fit_paper();
    }
  }

  [[nodiscard]] std::size_t n_features() const noexcept { return n_features_; }
  [[nodiscard]] Variant variant() const noexcept { return variant_; }

  /// The raw score of a row of `n_features()` values. O(columns · log rows), no allocation.
  [[nodiscard]] double score(RowView row) const noexcept {
    assert(row.size() == n_features_);
    if (variant_ == Variant::paper) return aggregates(row).largest();
    return numpy_sum(0, n_features_, [&](std::size_t first, std::size_t n, double* out) {
      fill_terms(row, first, n, out);
    });
  }

  /// Each column's term of the score. In `Variant::paper` these are the terms of the aggregate
  /// that is the largest.
  void explain(RowView row, std::span<double> contributions) const noexcept {
    assert(row.size() == n_features_ && contributions.size() == n_features_);
    const Aggregates sums = variant_ == Variant::paper ? aggregates(row) : Aggregates{};
    for (std::size_t first = 0; first < n_features_; first += lanes) {
      const std::size_t n = std::min(lanes, n_features_ - first);
      if (variant_ == Variant::pyod) {
        fill_terms(row, first, n, contributions.data() + first);
        continue;
      }
      const TailBlock tails = find_tails(row, first, n);
      for (std::size_t lane = 0; lane < n; ++lane) {
        contributions[first + lane] = sums.term_of_largest(tails[lane], signs_[first + lane]);
      }
    }
  }

  /// The scores of the training rows, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  friend bool operator==(const TailModel&, const TailModel&) = default;

  /// Reads or writes the model; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(variant_, n_rows_, n_features_, sorted_, surprises_, moments_, signs_,
            training_scores_);
    archive.require(variant_ <= Variant::paper, "variant");
    archive.require(n_features_ == 0 || (n_rows_ > 0 && sorted_.size() / n_features_ == n_rows_),
                    "number of training rows");
    archive.require(sorted_.size() == n_rows_ * n_features_, "training values");
    archive.require(n_features_ == 0 || surprises_.size() == n_rows_ + 1, "tail table");
    archive.require(moments_.size() == (variant_ == Variant::pyod ? n_features_ : 0),
                    "column moments");
    archive.require(signs_.size() == (variant_ == Variant::paper ? n_features_ : 0),
                    "skewness signs");
    archive.require(training_scores_.size() == n_rows_, "training scores");
  }

 private:
  static constexpr std::size_t lanes = summation_lanes;
  using TailBlock = std::array<Tails, lanes>;

  // The three sums of which the published methods take the largest.
  struct Aggregates {
    double left = 0.0;
    double right = 0.0;
    double skewed = 0.0;

    static double skewed_term(const Tails& tails, int sign) noexcept {
      return sign < 0 ? tails.left : tails.right;
    }
    void add(const Tails& tails, int sign) noexcept {
      left += tails.left;
      right += tails.right;
      skewed += skewed_term(tails, sign);
    }
    [[nodiscard]] double largest() const noexcept { return std::max({left, right, skewed}); }
    [[nodiscard]] double term_of_largest(const Tails& tails, int sign) const noexcept {
      if (skewed == largest()) return skewed_term(tails, sign);
      return left == largest() ? tails.left : tails.right;
    }
  };

  [[nodiscard]] std::span<double> column(std::size_t j) noexcept {
    return {sorted_.data() + j * n_rows_, n_rows_};
  }

  void load_columns(MatrixView rows) {
    sorted_.resize(n_rows_ * n_features_);
    // A few columns at a time: whole cache lines of the rows are used while they are near.
    for (std::size_t first = 0; first < n_features_; first += lanes) {
      const std::size_t last = std::min(n_features_, first + lanes);
      for (std::size_t i = 0; i < n_rows_; ++i) {
        const RowView row = rows.row(i);
        for (std::size_t j = first; j < last; ++j) sorted_[j * n_rows_ + i] = row[j];
      }
    }
  }

  // Sorts column j and calls `use(row, n_at_most, n_less)` for each value in it.
  template <class Use>
  void sort_column(ColumnSorter& sorter, std::size_t j, const Use& use) {
    const std::span<double> values = column(j);
    const std::span<const std::size_t> origins = sorter.sort(values);
    for (std::size_t start = 0; start < n_rows_;) {
      std::size_t end = start + 1;
      while (end < n_rows_ && values[end] == values[start]) ++end;
      for (std::size_t i = start; i < end; ++i) use(origins[i], end, start);
      start = end;
    }
  }

  void fit_pyod() {
    // The training rows are scored among themselves, with the skewness of them alone.
    const std::vector<double> shares = share_surprises(n_rows_);
    ColumnSorter sorter;
    training_scores_.resize(n_rows_);
    numpy_row_sums(0, n_features_, training_scores_, [&](std::size_t j, std::span<double> sums) {
      sort_column(sorter, j, [&](std::size_t i, std::size_t n_at_most, std::size_t n_less) {
        const Tails tails{shares[n_at_most - 1], shares[n_rows_ - n_less - 1]};
        sums[i] += Rule::combine(tails, signs_[j]);
      });
    });
    // A new row is scored as one of n + 1, and changes the skewness.
    surprises_ = share_surprises(n_rows_ + 1);
    moments_.reserve(n_features_);
    for (std::size_t j = 0; j < n_features_; ++j) moments_.emplace_back(column(j));
    signs_ = {};
  }

  void fit_paper() {
    const auto n = static_cast<double>(n_rows_);
    surprises_.resize(n_rows_ + 1);
    surprises_[0] = std::log(n + 1.0);
    for (std::size_t count = 1; count < n_rows_; ++count) {
      surprises_[count] = -std::log(static_cast<double>(count) / n);
    }
    std::vector<Aggregates> sums(n_rows_);
    ColumnSorter sorter;
    for (std::size_t j = 0; j < n_features_; ++j) {
      sort_column(sorter, j, [&](std::size_t i, std::size_t n_at_most, std::size_t n_less) {
        sums[i].add({surprises_[n_at_most], surprises_[n_rows_ - n_less]}, signs_[j]);
      });
    }
    training_scores_.reserve(n_rows_);
    for (const Aggregates& sum : sums) training_scores_.push_back(sum.largest());
  }

  // The tails of columns `first` … `first + n - 1`, `n` at most `lanes`.
  [[nodiscard]] TailBlock find_tails(RowView row, std::size_t first, std::size_t n) const noexcept {
    std::array<std::size_t, lanes> n_at_most;
    const double* columns = sorted_.data() + first * n_rows_;
    const double* x = row.data() + first;
    count_below<Bound::at_most, lanes>(columns, n, n_rows_, x, n_at_most.data());
    bool seen_before = false;
    for (std::size_t lane = 0; lane < n; ++lane) {
      const std::size_t count = n_at_most[lane];
      seen_before |= count > 0 && columns[lane * n_rows_ + count - 1] == x[lane];
    }
    std::array<std::size_t, lanes> n_less = n_at_most;
    if (seen_before) count_below<Bound::less, lanes>(columns, n, n_rows_, x, n_less.data());
    TailBlock tails;
    for (std::size_t lane = 0; lane < n; ++lane) {
      tails[lane] = {surprises_[n_at_most[lane]], surprises_[n_rows_ - n_less[lane]]};
    }
    return tails;
  }

  void fill_terms(RowView row, std::size_t first, std::size_t n, double* out) const noexcept {
    const TailBlock tails = find_tails(row, first, n);
    for (std::size_t lane = 0; lane < n; ++lane) {
      out[lane] = Rule::combine(tails[lane], moments_[first + lane].sign_with(row[first + lane]));
    }
  }

  [[nodiscard]] Aggregates aggregates(RowView row) const noexcept {
    Aggregates sums;
    for (std::size_t first = 0; first < n_features_; first += lanes) {
      const std::size_t n = std::min(lanes, n_features_ - first);
      const TailBlock tails = find_tails(row, first, n);
      for (std::size_t lane = 0; lane < n; ++lane) sums.add(tails[lane], signs_[first + lane]);
    }
    return sums;
  }

  Variant variant_ = Variant::pyod;
  std::size_t n_rows_ = 0;
  std::size_t n_features_ = 0;
  std::vector<double> sorted_;          // the training values, column by column, ascending
  std::vector<double> surprises_;       // -log of the share of a tail that holds so many rows
  std::vector<ColumnMoments> moments_;  // pyod: per column
  std::vector<int> signs_;              // paper: the sign of each column's skewness
  std::vector<double> training_scores_;
};

}  // namespace freshet::backendsdetail
