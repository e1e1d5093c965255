#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "freshet/backends/bin_count.hpp"
#include "freshet/backends/detail/histogram.hpp"
#include "freshet/backends/detail/summation.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/training_rows.hpp"

/// @file
/// HBOS: how empty are the histogram bins that a row falls into?

namespace freshet {

struct Hbos;

/// A trained HBOS: immutable.
class HbosModel {
 public:
  HbosModel() = default;

  /// The width of the rows it was trained on.
  [[nodiscard]] std::size_t n_features() const noexcept { return bins_.size(); }

  /// The raw score of a row of `n_features()` values. O(columns), no allocation.
  [[nodiscard]] double score(RowView row) const noexcept {
    assert(row.size() == n_features());
    const auto terms = [&](std::size_t first, std::size_t n, double* out) {
      for (std::size_t i = 0; i < n; ++i) out[i] = term(first + i, row[first + i]);
    };
    return backendsdetail::numpy_sum(0, n_features(), terms);
  }

  /// Each column's term of the score.
  void explain(RowView row, std::span<double> contributions) const noexcept {
    assert(row.size() == n_features() && contributions.size() == n_features());
    for (std::size_t j = 0; j < row.size(); ++j) contributions[j] = term(j, row[j]);
  }

  /// The scores of the training rows, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  /// The ascending bin edges of column `j`, one more than it has bins, in the column's unit.
  [[nodiscard]] std::span<const double> bin_edges(std::size_t j) const noexcept {
    return bins_.edges(j);
  }

  /// The density in each bin of column `j`, per the column's unit: density times bin width sums
  /// to 1.
  [[nodiscard]] std::span<const double> densities(std::size_t j) const noexcept {
    return {densities_.data() + bins_.begin(j), bins_.n_bins(j)};
  }

  friend bool operator==(const HbosModel&, const HbosModel&) = default;

  /// Reads or writes the model; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(tol_, bins_, densities_, surprises_, largest_surprises_, training_scores_);
    archive.require(densities_.size() == bins_.n_bins(), "densities");
    archive.require(surprises_.size() == bins_.n_bins(), "bin scores");
    archive.require(largest_surprises_.size() == bins_.size(), "largest bin scores");
  }

 private:
  friend struct Hbos;

  // Appends column j with these values.
  void add_column(std::span<const double> values, const Hbos& backend);

  [[nodiscard]] double term(std::size_t j, double x) const noexcept {
    const std::span<const double> edges = bins_.edges(j);
    const std::size_t last = edges.size() - 1;
    // A little beyond the edges still counts as the outermost bin, farther as the emptiest one.
    const bool far_below = edges[0] - x > (edges[1] - edges[0]) * tol_;
    const bool far_above = x - edges[last] > (edges[last] - edges[last - 1]) * tol_;
    if (far_below || far_above) return largest_surprises_[j];
    return surprises_[bins_.begin(j) + bins_.bin_up_to(j, x)];
  }

  double tol_ = 0.0;
  backendsdetail::BinSet bins_;            // one histogram per column
  std::vector<double> densities_;          // per bin
  std::vector<double> surprises_;          // per bin: -log2(density + alpha)
  std::vector<double> largest_surprises_;  // per column
  std::vector<double> training_scores_;
};

/// HBOS, histogram-based outlier score: Goldstein and Dengel, "Histogram-based Outlier Score
/// (HBOS): A fast Unsupervised Anomaly Detection Algorithm", KI 2012. The numbers are PyOD's; not
/// random.
///
/// Every column gets a histogram of equal bins; a row's score is the sum over the columns of
/// -log2(density of its bin + alpha). The score has no unit and may be negative: densities, and
/// with them the scores, change with the columns' units.
///
/// Where PyOD departs from the paper: there each histogram is scaled so that its highest bin is 1
/// and the score is the sum of log(1 / height), without alpha and without tolerance; bins of equal
/// population are its second mode. A value on an edge between bins counts to the upper bin in
/// training and to the lower one in scoring, as in PyOD.
struct Hbos {
  /// What training yields.
  using Model = HbosModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "hbos";

  /// Bins per column: 2 … 100000; or `BinCount::automatic()` for the number that the penalized
  /// likelihood of Birgé and Rozenholc (2006) prefers for each column, below √n_rows.
  BinCount n_bins = 10;
  /// Added to densities so that empty bins score finitely; in (0, 1).
  double alpha = 0.1;
  /// How far beyond the edges a value counts as inside, in bin widths; in (0, 1).
  double tol = 0.5;

  /// Throws ConfigurationError when a parameter is out of range.
  void validate() const {
    backendsdetail::require_bins(n_bins);
    require_parameter(alpha > 0.0 && alpha < 1.0, "alpha", "a number between 0 and 1");
    require_parameter(tol > 0.0 && tol < 1.0, "tol", "a number between 0 and 1");
  }

  /// Trains on `rows` (n_rows × n_features, at least one row, finite). O(rows · columns); with
  /// automatic bins O(rows · log rows · columns).
  /// Throws FitError, with the column, when values lie so close together that the density of a bin
  /// is infinite.
  [[nodiscard]] HbosModel fit(MatrixView rows, Seed /*seed*/ = 0) const {
    validate();
    require_training_rows(rows);
    HbosModel model;
    model.tol_ = tol;
    std::vector<double> column(rows.n_rows());
    for (std::size_t j = 0; j < rows.n_columns(); ++j) {
      for (std::size_t i = 0; i < rows.n_rows(); ++i) column[i] = rows(i, j);
      model.add_column(column, *this);
    }
    model.training_scores_ = scores_of(model, rows);
    return model;
  }

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("n_bins", n_bins);
    visitor("alpha", alpha);
    visitor("tol", tol);
  }

  friend bool operator==(const Hbos&, const Hbos&) = default;
};

inline void HbosModel::add_column(std::span<const double> values, const Hbos& backend) {
  const std::size_t j = bins_.size();
  const std::string what = "column " + std::to_string(j);
  const std::vector<double> counts = bins_.add(values, backend.n_bins);
  const std::span<const double> edges = bins_.edges(j);
  const double n = std::reduce(counts.begin(), counts.end());
  double largest = -std::numeric_limits<double>::infinity();
  for (std::size_t bin = 0; bin < counts.size(); ++bin) {
    const double density = counts[bin] / (edges[bin + 1] - edges[bin]) / n;
    if (!std::isfinite(density)) {
      throw FitError(ErrorCode::fit_failed,
                     what + ": the values lie so close together that densities are infinite", what,
                     "a wider range of values, or a constant", {{}, j});
    }
    densities_.push_back(density);
    surprises_.push_back(-std::log2(density + backend.alpha));
    largest = std::max(largest, surprises_.back());
  }
  largest_surprises_.push_back(largest);
}

}  // namespace freshet
