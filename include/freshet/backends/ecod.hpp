#pragma once

#include <algorithm>
#include <string_view>

#include "freshet/backends/detail/tail_model.hpp"
#include "freshet/backends/variant.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/matrix_view.hpp"

/// @file
/// ECOD: how far out in the tails of each column's empirical distribution does a row lie?

namespace freshet {

namespace backendsdetail {

/// PyOD's ECOD takes each column's largest of left tail, right tail and the tail the skewness
/// points to; the last is the sum of both tails when the column is not skewed.
struct EcodRule {
  static double combine(const Tails& tails, int skewness_sign) noexcept {
    return skewness_sign == 0 ? tails.left + tails.right : std::max(tails.left, tails.right);
  }
};

}  // namespace backendsdetail

/// A trained ECOD: immutable, `score(row)` in O(columns · log rows), `explain(row, out)`,
/// `training_scores()`, `n_features()`. Keeps the training values (8 bytes each) and two numbers
/// per training row.
using EcodModel = backendsdetail::TailModel<backendsdetail::EcodRule>;

/// ECOD, empirical-cumulative-distribution-based outlier detection: Li, Zhao, Hu, Botta, Ionescu
/// and Chen, "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution
/// Functions", TKDE 2022, arXiv:2201.00382. No parameters to tune; not random.
///
/// A column's tail is the share of rows with values at most (left) or at least (right) as large;
/// the rarer the tail, the larger -log of its share. The score has no unit; 0 is the smallest.
///
/// - `Variant::pyod` (PyOD's numbers): the largest tail is taken per column and the columns are
///   added; a new row is counted among the training rows, in the shares (of n + 1 rows) and in
///   the skewness.
/// - `Variant::paper` (Algorithm 1): per row the left tails, the right tails, and the tails the
///   skewness points to (left when it is negative, else right) are added over the columns, and
///   the largest of the three sums is the score; shares and skewness are those of the training
///   rows alone. The paper leaves open what -log of an empty tail is: here a value outside the
///   training range gets the share 1/(n + 1) that it would have had as one of the rows. In this
///   variant ECOD and COPOD are the same method.
struct Ecod {
  /// What training yields.
  using Model = EcodModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "ecod";

  /// Whose numbers: PyOD's or the paper's.
  Variant variant = Variant::pyod;

  /// Throws ConfigurationError when the variant is none, as in a damaged snapshot.
  void validate() const { require_variant(variant); }

  /// Trains on `rows` (n_rows × n_features, at least one row, finite). O(rows · columns).
  [[nodiscard]] EcodModel fit(MatrixView rows, Seed /*seed*/ = 0) const { return {rows, variant}; }

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("variant", variant);
  }

  friend bool operator==(const Ecod&, const Ecod&) = default;
};

}  // namespace freshet
