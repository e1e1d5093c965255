#pragma once

#include <algorithm>
#include <string_view>

#include "freshet/backends/detail/tail_model.hpp"
#include "freshet/backends/variant.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/matrix_view.hpp"

/// @file
/// COPOD: tail probabilities of the empirical copula of a row.

namespace freshet {

namespace backendsdetail {

/// PyOD's COPOD takes each column's larger of the mean of both tails and the tail the skewness
/// points to; the latter is the sum of both tails when the column is not skewed.
struct CopodRule {
  static double combine(const Tails& tails, int skewness_sign) noexcept {
    const double both = tails.left + tails.right;
    const double skewed = skewness_sign < 0 ? tails.left : tails.right;
    return std::max(skewness_sign == 0 ? both : skewed, both / 2.0);
  }
};

}  // namespace backendsdetail

/// A trained COPOD: immutable, `score(row)` in O(columns · log rows), `explain(row, out)`,
/// `training_scores()`, `n_features()`. Keeps the training values (8 bytes each) and two numbers
/// per training row.
using CopodModel = backendsdetail::TailModel<backendsdetail::CopodRule>;

/// COPOD, copula-based outlier detection: Li, Zhao, Botta, Ionescu and Hu, "COPOD: Copula-Based
/// Outlier Detection", ICDM 2020, arXiv:2009.09463. No parameters to tune; not random.
///
/// The tails of a column are those of ECOD (see ecod.hpp). The score has no unit; 0 is the
/// smallest.
///
/// - `Variant::pyod` (PyOD's numbers): per column the larger of the skewness-corrected tail and
///   the mean of both tails is taken, and the columns are added; a new row is counted among the
///   training rows, in the shares (of n + 1 rows) and in the skewness.
/// - `Variant::paper`: the largest of three sums over the columns (left tails, right tails,
///   skewness-corrected tails), shares and skewness being those of the training rows alone; a
///   value outside the training range gets the share 1/(n + 1). The two papers describe the same
///   score, so in this variant ECOD and COPOD agree to the bit.
struct Copod {
  /// What training yields.
  using Model = CopodModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "copod";

  /// Whose numbers: PyOD's or the paper's.
  Variant variant = Variant::pyod;

  /// Throws ConfigurationError when the variant is none, as in a damaged snapshot.
  void validate() const { require_variant(variant); }

  /// Trains on `rows` (n_rows × n_features, at least one row, finite). O(rows · columns).
  [[nodiscard]] CopodModel fit(MatrixView rows, Seed /*seed*/ = 0) const { return {rows, variant}; }

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("variant", variant);
  }

  friend bool operator==(const Copod&, const Copod&) = default;
};

}  // namespace freshet
