#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "freshet/backends/detail/neighbors.hpp"
#include "freshet/backends/detail/row_blocks.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/matrix_view.hpp"

/// @file
/// LOF: how much sparser is it around a row than around its neighbors?

namespace freshet {

struct LocalOutlierFactor;

/// A trained LOF: immutable. Keeps the training rows, with two numbers more of each.
class LocalOutlierFactorModel {
 public:
  LocalOutlierFactorModel() = default;

  /// The width of the rows that it scores.
  [[nodiscard]] std::size_t n_features() const noexcept { return rows_.n_columns(); }
  /// The neighbors that are looked at: fewer than there are training rows.
  [[nodiscard]] std::size_t n_neighbors() const noexcept { return n_neighbors_; }

  /// The raw score of a row of `n_features()` values, above 0: about 1 where it is as dense around
  /// the row as around its neighbors. O(training rows · columns), and O(n_neighbors) for each
  /// row that is nearer than those found before; no allocation.
  [[nodiscard]] double score(RowView row) const noexcept {
    const backendsdetail::Neighbors nearest = rows_.nearest(row, n_neighbors_);
    return mean_density(nearest) * mean_reach(nearest);
  }

  /// Each column's share of the score, which is in proportion to the mean of the reachability
  /// distances: of each of these the share of the column in the squared distance to that neighbor,
  /// equal shares where there is no distance. This is our own definition, chosen because the shares
  /// sum to the score; how dense it is around the neighbors is not taken apart.
  void explain(RowView row, std::span<double> contributions) const noexcept;

  /// The scores of the training rows among the others, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  friend bool operator==(const LocalOutlierFactorModel&, const LocalOutlierFactorModel&) = default;

  /// Reads or writes the model; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(n_neighbors_, rows_, last_distances_, densities_, training_scores_);
    archive.require(n_neighbors_ >= 1 && n_neighbors_ <= backendsdetail::max_neighbors &&
                        n_neighbors_ < rows_.n_rows(),
                    "neighbors");
    archive.require(last_distances_.size() == rows_.n_rows() &&
                        std::ranges::all_of(last_distances_, is_distance),
                    "distances");
    archive.require(
        densities_.size() == rows_.n_rows() && std::ranges::all_of(densities_, is_density),
        "densities");
    archive.require(training_scores_.size() == rows_.n_rows(), "training scores");
  }

 private:
  friend struct LocalOutlierFactor;

  // What scikit-learn adds to mean distances, which are zero between rows that are the same.
  static constexpr double least_reach = 1e-10;

  static bool is_distance(double x) noexcept {
    return x >= 0.0 && x * x <= backendsdetail::largest_squared_distance * 1.0001;
  }
  static bool is_density(double x) noexcept { return x > 0.0 && x <= 1.0001 / least_reach; }

  // From a row to its i-th neighbor, but at least that neighbor's distance to its own last one.
  [[nodiscard]] double reach(const backendsdetail::Neighbors& nearest,
                             std::size_t i) const noexcept {
    return std::max(nearest.distance(i), last_distances_[nearest.index(i)]);
  }
  [[nodiscard]] double mean_reach(const backendsdetail::Neighbors& nearest) const noexcept {
    double sum = 0.0;
    for (std::size_t i = 0; i < nearest.size(); ++i) sum += reach(nearest, i);
    return sum / static_cast<double>(nearest.size()) + least_reach;
  }
  [[nodiscard]] double mean_density(const backendsdetail::Neighbors& nearest) const noexcept {
    double sum = 0.0;
    for (std::size_t i = 0; i < nearest.size(); ++i) sum += densities_[nearest.index(i)];
    return sum / static_cast<double>(nearest.size());
  }

  std::size_t n_neighbors_ = 1;
  backendsdetail::RowBlocks rows_;
  std::vector<double> last_distances_;  // of each training row to the last of its neighbors
  std::vector<double> densities_;       // around each: 1 / its mean reachability distance
  std::vector<double> training_scores_;
};

/// LOF, the local outlier factor: Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based
/// Local Outliers", SIGMOD 2000. The numbers are PyOD's, which are scikit-learn's; not random.
///
/// The reachability distance from a row to a neighbor is their distance, but at least that of the
/// neighbor to its own k-th neighbor; one divided by the mean of them to all k neighbors is the
/// density around the row. The score is the mean density around the neighbors divided by that
/// around the row: about 1 within a group of whatever density, larger for a row apart from it.
/// Distances are Euclidean, in the unit of the columns, which a scaler makes count alike.
///
/// Where scikit-learn departs from the paper: a row has exactly k neighbors, also where more are
/// equally far (here those that come first among the training rows; scikit-learn's choice is that
/// of its search), and 1e-10 is added to every mean distance, so that rows that come more than k
/// times have a density. A row of the training data is not its own neighbor in its training score;
/// a new row is held against the densities around the training rows, which it does not change.
struct LocalOutlierFactor {
  /// What training yields.
  using Model = LocalOutlierFactorModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "local_outlier_factor";

  /// How many neighbors: 1 … 1000; all others, where the training rows are fewer.
  std::size_t n_neighbors = 20;

  /// Throws ConfigurationError when a parameter is out of range.
  void validate() const { backendsdetail::require_n_neighbors(n_neighbors); }

  /// Trains on `rows` (n_rows × n_features, at least two rows, finite). O(rows² · columns).
  /// Throws FitError when there is one row only.
  [[nodiscard]] LocalOutlierFactorModel fit(MatrixView rows, Seed /*seed*/ = 0) const;

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("n_neighbors", n_neighbors);
  }

  friend bool operator==(const LocalOutlierFactor&, const LocalOutlierFactor&) = default;
};

inline void LocalOutlierFactorModel::explain(RowView row,
                                             std::span<double> contributions) const noexcept {
  assert(row.size() == n_features() && contributions.size() == n_features());
  const backendsdetail::Neighbors nearest = rows_.nearest(row, n_neighbors_);
  const double scale = mean_density(nearest) / static_cast<double>(nearest.size());
  std::fill(contributions.begin(), contributions.end(), 0.0);
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    const std::size_t index = nearest.index(i);
    backendsdetail::share_by_squares((reach(nearest, i) + least_reach) * scale, row,
                                     [&](std::size_t j) { return rows_(index, j); }, contributions);
  }
}

inline LocalOutlierFactorModel LocalOutlierFactor::fit(MatrixView rows, Seed /*seed*/) const {
  validate();
  backendsdetail::require_other_rows(rows, 1);
  const std::size_t n = rows.n_rows();
  const std::size_t k = std::min(n_neighbors, n - 1);
  LocalOutlierFactorModel model;
  model.n_neighbors_ = k;
  model.rows_ = backendsdetail::RowBlocks(rows);
  model.last_distances_.resize(n);
  std::vector<double> distances(n * k);
  std::vector<std::uint32_t> indices(n * k);
  model.rows_.each_row_and_nearest(
      rows, k, [&](std::size_t i, const backendsdetail::Neighbors& nearest) {
        for (std::size_t rank = 0; rank < k; ++rank) {
          distances[i * k + rank] = nearest.distance(rank);
          indices[i * k + rank] = static_cast<std::uint32_t>(nearest.index(rank));
        }
        model.last_distances_[i] = nearest.distance(k - 1);
      });
  const auto mean_over_neighbors = [&](std::size_t i, const auto& value) {
    double sum = 0.0;
    for (std::size_t place = i * k; place < (i + 1) * k; ++place) sum += value(place);
    return sum / static_cast<double>(k);
  };
  model.densities_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double reach = mean_over_neighbors(i, [&](std::size_t place) {
      return std::max(distances[place], model.last_distances_[indices[place]]);
    });
    model.densities_[i] = 1.0 / (reach + model.least_reach);
  }
  model.training_scores_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double around_neighbors =
        mean_over_neighbors(i, [&](std::size_t place) { return model.densities_[indices[place]]; });
    model.training_scores_[i] = around_neighbors / model.densities_[i];
  }
  return model;
}

}  // namespace freshet
