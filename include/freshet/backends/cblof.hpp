#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "freshet/backends/detail/k_means.hpp"
#include "freshet/backends/detail/neighbors.hpp"
#include "freshet/backends/detail/row_blocks.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/random.hpp"
#include "freshet/core/training_rows.hpp"
#include "freshet/core/validate.hpp"

/// @file
/// CBLOF: how far is a row from the center of its large cluster, or of the nearest one?

namespace freshet {

struct Cblof;

/// A trained CBLOF: immutable. Clusters are numbered by size, the largest first.
class CblofModel {
 public:
  CblofModel() = default;

  /// The width of the rows that it scores.
  [[nodiscard]] std::size_t n_features() const noexcept { return centers_.n_columns(); }
  /// At most as many as were asked for.
  [[nodiscard]] std::size_t n_clusters() const noexcept { return centers_.n_rows(); }
  /// The first so many clusters are large.
  [[nodiscard]] std::size_t n_large_clusters() const noexcept { return n_large_; }
  /// The centers, n_clusters × n_features.
  [[nodiscard]] Matrix centers() const { return centers_.rows(); }
  /// The training rows of every cluster.
  [[nodiscard]] std::span<const std::size_t> cluster_sizes() const noexcept { return sizes_; }

  /// The raw score of a row of `n_features()` values, at least 0. O(clusters · columns), no
  /// allocation.
  [[nodiscard]] double score(RowView row) const noexcept {
    // The center of a row's own cluster is the nearest one, so of a large cluster this is its own.
    const double distance = large_centers_.nearest(row, 1).distance(0);
    return distance * weight(row);
  }

  /// Each column's share of the score: that in the squared distance to the center; equal shares of
  /// a distance of 0.
  void explain(RowView row, std::span<double> contributions) const noexcept {
    assert(row.size() == n_features() && contributions.size() == n_features());
    std::fill(contributions.begin(), contributions.end(), 0.0);
    const backendsdetail::Neighbors center = large_centers_.nearest(row, 1);
    backendsdetail::share_by_squares(
        center.distance(0) * weight(row), row,
        [&](std::size_t j) { return large_centers_(center.index(0), j); }, contributions);
  }

  /// The scores of the training rows, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  friend bool operator==(const CblofModel&, const CblofModel&) = default;

  /// Reads or writes the model; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(use_weights_, centers_, n_large_, sizes_, training_scores_);
    archive.require(n_large_ >= 1 && n_large_ <= n_clusters() && sizes_.size() == n_clusters(),
                    "clusters");
    if constexpr (Archive::is_reading) keep_large_centers();
  }

 private:
  friend struct Cblof;

  void keep_large_centers() {
    const Matrix all = centers();
    large_centers_ = backendsdetail::RowBlocks({all.view().data(), n_large_, all.n_columns()});
  }

  [[nodiscard]] double weight(RowView row) const noexcept {
    return use_weights_ ? static_cast<double>(sizes_[centers_.nearest(row, 1).index(0)]) : 1.0;
  }

  bool use_weights_ = false;
  backendsdetail::RowBlocks centers_;  // by size
  std::size_t n_large_ = 0;
  backendsdetail::RowBlocks large_centers_;  // the first of them, to be searched by themselves
  std::vector<std::size_t> sizes_;
  std::vector<double> training_scores_;
};

/// CBLOF, the cluster-based local outlier factor: He, Xu and Deng, "Discovering Cluster-Based Local
/// Outliers", Pattern Recognition Letters 24, 2003.
///
/// The rows are put into clusters, and these are called large or small by their sizes. The score is
/// the distance to the center of the own cluster if it is large, else to that of the nearest large
/// one. Distances are Euclidean, in the unit of the columns, which a scaler makes count alike.
///
/// As in PyOD, clusters are those of k-means instead of the paper's Squeezer, which is for
/// categories, and the paper's factor, the size of the cluster, is left out unless `use_weights` is
/// set: with it a row beside a small cluster scores low. Given the same centers the scores are
/// PyOD's; k-means itself begins with other random rows than scikit-learn's. With the clusters in
/// the order of size, the first b are large for the least b whose clusters hold `alpha` of the rows
/// *and* of which the last is `beta` times as large as the next; else for the least b of the first
/// kind, else of the second. Where there is none PyOD refuses the rows; here, as in the paper, all
/// clusters are large then.
struct Cblof {
  /// What training yields.
  using Model = CblofModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "cblof";

  /// Clusters: 1 … 10000, and no more than there are training rows. Fewer are formed where fewer
  /// rows differ.
  std::size_t n_clusters = 8;
  /// The share of the rows that large clusters hold; above 0 and below 1.
  double alpha = 0.9;
  /// How many times as large as the next one the last large cluster is; above 1, at most 1e9.
  double beta = 5.0;
  /// Whether scores are multiplied by the size of the row's cluster.
  bool use_weights = false;

  /// Throws ConfigurationError when a parameter is out of range.
  void validate() const {
    require_parameter(n_clusters >= 1 && n_clusters <= 10'000, "n_clusters",
                      "an integer from 1 to 10000");
    require_parameter(alpha > 0.0 && alpha < 1.0, "alpha", "a number between 0 and 1");
    require_parameter(beta > 1.0 && beta <= 1e9, "beta", "a number above 1 and up to 1e9");
  }

  /// Trains on `rows` (n_rows × n_features, at least `n_clusters` rows, finite): the same on every
  /// platform for a seed. O(clusters · rows · columns) for every iteration of k-means, 300 at most.
  /// Throws FitError when there are too few rows.
  [[nodiscard]] CblofModel fit(MatrixView rows, Seed seed = 0) const;

  /// The same with given centers, `n_clusters` × n_features, finite. Throws ConfigurationError when
  /// they have another shape.
  [[nodiscard]] CblofModel fit(MatrixView rows, MatrixView centers) const;

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("n_clusters", n_clusters);
    visitor("alpha", alpha);
    visitor("beta", beta);
    visitor("use_weights", use_weights);
  }

  friend bool operator==(const Cblof&, const Cblof&) = default;

 private:
  [[nodiscard]] std::size_t count_large(std::span<const std::size_t> sizes,
                                        std::size_t n_rows) const noexcept;
  [[nodiscard]] CblofModel around(MatrixView rows, const Matrix& centers) const;
};

/// How many of the clusters, by their descending sizes, are large.
inline std::size_t Cblof::count_large(std::span<const std::size_t> sizes,
                                      std::size_t n_rows) const noexcept {
  std::size_t by_share = 0;
  std::size_t by_ratio = 0;
  double held = 0.0;
  for (std::size_t n = 1; n < sizes.size(); ++n) {
    held += static_cast<double>(sizes[n - 1]);
    const bool holds_share = held >= static_cast<double>(n_rows) * alpha;
    const bool is_step = static_cast<double>(sizes[n - 1]) / static_cast<double>(sizes[n]) >= beta;
    if (holds_share && is_step) return n;
    if (holds_share && by_share == 0) by_share = n;
    if (is_step && by_ratio == 0) by_ratio = n;
  }
  if (by_share > 0) return by_share;
  return by_ratio > 0 ? by_ratio : sizes.size();
}

inline CblofModel Cblof::around(MatrixView rows, const Matrix& centers) const {
  const backendsdetail::RowBlocks given(centers);
  std::vector<std::size_t> sizes(centers.n_rows());
  for (std::size_t i = 0; i < rows.n_rows(); ++i) ++sizes[given.nearest(rows.row(i), 1).index(0)];
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t c) { return sizes[c]; });

  CblofModel model;
  model.use_weights_ = use_weights;
  Matrix sorted(centers.n_rows(), centers.n_columns());
  for (std::size_t c = 0; c < order.size(); ++c) {
    std::ranges::copy(centers.row(order[c]), sorted.row(c).begin());
    model.sizes_.push_back(sizes[order[c]]);
  }
  model.centers_ = backendsdetail::RowBlocks(sorted);
  model.n_large_ = count_large(model.sizes_, rows.n_rows());
  model.keep_large_centers();
  model.training_scores_ = scores_of(model, rows);
  return model;
}

inline CblofModel Cblof::fit(MatrixView rows, Seed seed) const {
  validate();
  require_training_rows(rows, n_clusters, std::to_string(n_clusters) + " clusters", "n_clusters");
  return around(rows, backendsdetail::KMeans(rows, n_clusters, RandomGenerator(seed)).centers());
}

inline CblofModel Cblof::fit(MatrixView rows, MatrixView centers) const {
  validate();
  require_training_rows(rows);
  require_parameter(centers.n_rows() == n_clusters && centers.n_columns() == rows.n_columns() &&
                        !find_fault(centers, rows.n_columns()),
                    "centers", "a finite matrix of n_clusters × n_features");
  return around(rows, Matrix(centers));
}

}  // namespace freshet
