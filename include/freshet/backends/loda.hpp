#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "freshet/backends/bin_count.hpp"
#include "freshet/backends/detail/histogram.hpp"
#include "freshet/backends/detail/projection.hpp"
#include "freshet/backends/detail/summation.hpp"
#include "freshet/backends/variant.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/random.hpp"
#include "freshet/core/validate.hpp"

/// @file
/// LODA: how rare is a row in the histograms of random projections?

namespace freshet {

struct Loda;

/// A trained LODA: immutable.
class LodaModel {
 public:
  LodaModel() = default;

  /// The width of the rows it was trained on.
  [[nodiscard]] std::size_t n_features() const noexcept { return means_.size(); }
  /// The number of projections.
  [[nodiscard]] std::size_t n_cuts() const noexcept { return bins_.size(); }

  /// The raw score of a row of `n_features()` values. O(cuts · √columns), no allocation.
  [[nodiscard]] double score(RowView row) const noexcept {
    assert(row.size() == n_features());
    const double reach = backendsdetail::largest_magnitude(row);
    double sum = 0.0;
    for (std::size_t cut = 0; cut < n_cuts(); ++cut) sum += surprise(cut, row, reach);
    return sum / static_cast<double>(n_cuts());
  }

  /// Each column's share of the score. What a projection adds is shared among its columns in
  /// proportion to |weight · (value - training mean)|, or equally when all of these are zero.
  /// This is our own definition, chosen because the shares sum to the score; the paper ranks
  /// columns by a t-statistic between the projections with and without them.
  void explain(RowView row, std::span<double> contributions) const noexcept;

  /// The scores of the training rows, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  /// The projections, n_cuts × n_features, mostly zeros.
  [[nodiscard]] Matrix projections() const { return projections_.weights(n_features()); }

  /// The ascending bin edges of projection `cut`, one more than it has bins.
  [[nodiscard]] std::span<const double> limits(std::size_t cut) const noexcept {
    return bins_.edges(cut);
  }

  /// The probability of each bin of projection `cut`; they sum to 1.
  [[nodiscard]] std::span<const double> histogram(std::size_t cut) const noexcept {
    return {probabilities_.data() + bins_.begin(cut), bins_.n_bins(cut)};
  }

  friend bool operator==(const LodaModel&, const LodaModel&) = default;

  /// Reads or writes the model; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(variant_, means_, projections_, bins_, probabilities_, surprises_, training_scores_);
    archive.require(variant_ <= Variant::paper, "variant");
    archive.require(projections_.size() == n_cuts() && projections_.fits(n_features()),
                    "projections");
    archive.require(probabilities_.size() == bins_.n_bins(), "probabilities");
    archive.require(surprises_.size() == bins_.n_bins() + 2 * n_cuts(), "bin scores");
    if constexpr (Archive::is_reading) find_scales();
  }

 private:
  friend struct Loda;

  // Where the surprises of a cut begin.
  [[nodiscard]] const double* surprises(std::size_t cut) const noexcept {
    return surprises_.data() + bins_.begin(cut) + 2 * cut;
  }

  // What a cut adds to the sum of which the score is the mean; `reach` is the row's largest
  // magnitude.
  [[nodiscard]] double surprise(std::size_t cut, RowView row, double reach) const noexcept {
    const double projected = backendsdetail::project(projections_[cut], row);
    const std::size_t place = scales_[cut].find(projected, reach);
    if (place != backendsdetail::BinScale::undecided) [[likely]]
      return surprises(cut)[place];
    if (variant_ == Variant::paper) return surprise_at(cut, projected);
    return surprise_at(cut, backendsdetail::project_as_dot(projections_[cut], row));
  }

  // The same for a projected value, by the edges.
  [[nodiscard]] double surprise_at(std::size_t cut, double projected) const noexcept {
    const std::span<const double> edges = bins_.edges(cut);
    if (variant_ == Variant::pyod) {
      return projected <= edges.front() ? surprises(cut)[0]
                                        : surprises(cut)[1 + bins_.bin_up_to(cut, projected)];
    }
    if (projected < edges.front()) return surprises(cut)[0];
    if (projected > edges.back()) return surprises(cut)[edges.size()];
    return surprises(cut)[1 + bins_.bin_from(cut, projected)];
  }

  void fit(MatrixView rows, BinCount n_bins);
  std::vector<double> fit_cut(std::size_t cut, MatrixView rows, BinCount n_bins);
  void add_histogram(std::span<const double> projected, BinCount n_bins);
  void find_scales();

  Variant variant_ = Variant::pyod;
  std::vector<double> means_;  // of the training columns
  backendsdetail::ProjectionSet projections_;
  backendsdetail::BinSet bins_;        // one histogram per cut
  std::vector<double> probabilities_;  // per bin
  std::vector<double> surprises_;      // per cut: of values below, in each bin, and above
  std::vector<backendsdetail::BinScale> scales_;  // per cut; follow from the bins
  std::vector<double> training_scores_;
};

/// LODA, lightweight on-line detector of anomalies: Pevný, "Loda: Lightweight on-line detector of
/// anomalies", Machine Learning 102, 2016.
///
/// Rows are projected on random vectors with ⌊√n_features⌋ normal weights each, the other weights
/// being zero; each projection gets a histogram of equal bins, and the score rests on -log of the
/// probability of a row's bins. An empty bin has the probability 1e-12. The score has no unit.
///
/// - `Variant::pyod` (PyOD's numbers): two departures. A value is looked up one bin too far up
///   (the last bin is its own neighbour, and only the smallest value finds the first bin); and the
///   mean over the projections is divided by their number once more. A projection that is on the
///   edge of a bin but for rounding is added up in the order that PyOD's matrix library uses on
///   AVX-512; on other machines PyOD's own side of such an edge differs.
/// - `Variant::paper`: the value's own bin, and the mean over the projections of -log p. A value
///   beyond the bins has the probability of an empty one.
struct Loda {
  /// What training yields.
  using Model = LodaModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "loda";

  /// Bins per projection: 2 … 100000; or `BinCount::automatic()`, see Hbos::n_bins.
  BinCount n_bins = 10;
  /// Projections: 1 … 100000.
  std::size_t n_random_cuts = 100;
  /// Whose numbers: PyOD's or the paper's.
  Variant variant = Variant::pyod;

  /// Throws ConfigurationError when a parameter is out of range.
  void validate() const {
    backendsdetail::require_bins(n_bins);
    require_parameter(n_random_cuts >= 1 && n_random_cuts <= 100'000, "n_random_cuts",
                      "an integer from 1 to 100000");
    require_variant(variant);
  }

  /// Trains on `rows` (n_rows × n_features, at least one row, finite) with projections drawn from
  /// `seed`: the same on every platform, but not those that PyOD draws from the same number.
  /// O(cuts · rows · √columns).
  [[nodiscard]] LodaModel fit(MatrixView rows, Seed seed = 0) const;

  /// The same with given projections, `n_random_cuts` × n_features, finite; zeros cost nothing.
  /// Throws ConfigurationError when they have another shape.
  [[nodiscard]] LodaModel fit(MatrixView rows, MatrixView projections) const;

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("n_bins", n_bins);
    visitor("n_random_cuts", n_random_cuts);
    visitor("variant", variant);
  }

  friend bool operator==(const Loda&, const Loda&) = default;
};

inline void LodaModel::explain(RowView row, std::span<double> contributions) const noexcept {
  assert(row.size() == n_features() && contributions.size() == n_features());
  const auto weight = [&](const auto& term) {
    return std::abs(term.weight * (row[term.column] - means_[term.column]));
  };
  const double reach = backendsdetail::largest_magnitude(row);
  std::fill(contributions.begin(), contributions.end(), 0.0);
  for (std::size_t cut = 0; cut < n_cuts(); ++cut) {
    const backendsdetail::Projection terms = projections_[cut];
    const double mean = surprise(cut, row, reach) / static_cast<double>(n_cuts());
    double total = 0.0;
    for (const auto& term : terms) total += weight(term);
    for (const auto& term : terms) {
      const double share =
          total > 0.0 ? weight(term) / total : 1.0 / static_cast<double>(terms.size());
      contributions[term.column] += mean * share;
    }
    if (!terms.empty()) continue;
    for (double& contribution : contributions)
      contribution += mean / static_cast<double>(n_features());
  }
}

inline void LodaModel::add_histogram(std::span<const double> projected, BinCount n_bins) {
  constexpr double of_empty_bin = 1e-12;
  std::vector<double> counts = bins_.add(projected, n_bins);
  for (double& count : counts) count += of_empty_bin;
  const double total = backendsdetail::numpy_sum(counts);
  for (const double count : counts) probabilities_.push_back(count / total);
  const auto add = [this](double probability, double weight) {
    surprises_.push_back(-weight * std::log(probability));
  };
  const std::span<const double> probabilities = std::span(probabilities_).last(counts.size());
  if (variant_ == Variant::paper) {
    add(of_empty_bin / total, 1.0);
    for (const double probability : probabilities) add(probability, 1.0);
    add(of_empty_bin / total, 1.0);
    return;
  }
  // PyOD takes the number of edges below a value for its bin, which is one more than that; the
  // last bin keeps its own.
  const double weight = 1.0 / static_cast<double>(projections_.size());
  for (const double probability : probabilities) add(probability, weight);
  add(probabilities.back(), weight);
  add(probabilities.back(), weight);
}

inline void LodaModel::find_scales() {
  scales_.clear();
  for (std::size_t cut = 0; cut < n_cuts(); ++cut) {
    scales_.emplace_back(bins_.edges(cut), backendsdetail::rounding_slack(projections_[cut]));
  }
}

inline std::vector<double> LodaModel::fit_cut(std::size_t cut, MatrixView rows, BinCount n_bins) {
  const backendsdetail::Projection terms = projections_[cut];
  const bool is_pyod = variant_ == Variant::pyod;
  std::vector<double> projected = is_pyod ? backendsdetail::project_rows_as_product(terms, rows)
                                          : backendsdetail::project_rows(terms, rows);
  add_histogram(projected, n_bins);
  return projected;
}

inline void LodaModel::fit(MatrixView rows, BinCount n_bins) {
  means_.assign(rows.n_columns(), 0.0);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    for (std::size_t j = 0; j < rows.n_columns(); ++j) means_[j] += rows(i, j);
  }
  for (double& mean : means_) mean /= static_cast<double>(rows.n_rows());
  training_scores_.assign(rows.n_rows(), 0.0);
  for (std::size_t cut = 0; cut < projections_.size(); ++cut) {
    const std::vector<double> projected = fit_cut(cut, rows, n_bins);
    for (std::size_t i = 0; i < rows.n_rows(); ++i) {
      training_scores_[i] += surprise_at(cut, projected[i]);
    }
  }
  for (double& score : training_scores_) score /= static_cast<double>(projections_.size());
  find_scales();
}

inline LodaModel Loda::fit(MatrixView rows, Seed seed) const {
  validate();
  LodaModel model;
  model.variant_ = variant;
  RandomGenerator random(seed);
  for (std::size_t cut = 0; cut < n_random_cuts; ++cut) {
    model.projections_.add_random(rows.n_columns(), random);
  }
  model.fit(rows, n_bins);
  return model;
}

inline LodaModel Loda::fit(MatrixView rows, MatrixView projections) const {
  validate();
  require_parameter(projections.n_rows() == n_random_cuts &&
                        projections.n_columns() == rows.n_columns() &&
                        !find_fault(projections, rows.n_columns()),
                    "projections", "a finite matrix of n_random_cuts × n_features");
  LodaModel model;
  model.variant_ = variant;
  for (std::size_t cut = 0; cut < n_random_cuts; ++cut)
    model.projections_.add(projections.row(cut));
  model.fit(rows, n_bins);
  return model;
}

}  // namespace freshet
