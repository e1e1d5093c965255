#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "freshet/backends/detail/neighbors.hpp"
#include "freshet/backends/detail/row_blocks.hpp"
#include "freshet/backends/knn_method.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/matrix_view.hpp"

/// @file
/// KNN: how far away are the nearest training rows?

namespace freshet {

struct Knn;

/// A trained KNN: immutable. Keeps the training rows.
class KnnModel {
 public:
  KnnModel() = default;

  /// The width of the rows that it scores.
  [[nodiscard]] std::size_t n_features() const noexcept { return rows_.n_columns(); }

  /// The raw score of a row of `n_features()` values, at least 0. O(training rows · columns), and
  /// O(n_neighbors) for each row that is nearer than those found before; no allocation.
  [[nodiscard]] double score(RowView row) const noexcept {
    return score_of(rows_.nearest(row, n_neighbors_));
  }

  /// Each column's share of the score: of every distance in it the share of the column in the
  /// squared distance; equal shares of a distance of 0.
  void explain(RowView row, std::span<double> contributions) const noexcept {
    assert(row.size() == n_features() && contributions.size() == n_features());
    std::fill(contributions.begin(), contributions.end(), 0.0);
    const backendsdetail::Neighbors nearest = rows_.nearest(row, n_neighbors_);
    for (std::size_t i = first(); i < end(); ++i) {
      const std::size_t index = nearest.index(i);
      backendsdetail::share_by_squares(
          nearest.distance(i) / static_cast<double>(end() - first()), row,
          [&](std::size_t j) { return rows_(index, j); }, contributions);
    }
  }

  /// The scores of the training rows among the others, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  friend bool operator==(const KnnModel&, const KnnModel&) = default;

  /// Reads or writes the model; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(method_, n_neighbors_, rows_, training_scores_);
    archive.require(method_ <= KnnMethod::median, "method");
    archive.require(n_neighbors_ >= 1 && n_neighbors_ <= backendsdetail::max_neighbors &&
                        n_neighbors_ < rows_.n_rows(),
                    "neighbors");
    archive.require(training_scores_.size() == rows_.n_rows(), "training scores");
  }

 private:
  friend struct Knn;

  // Of the distances in ascending order those whose mean is the score.
  [[nodiscard]] std::size_t first() const noexcept {
    if (method_ == KnnMethod::mean) return 0;
    return method_ == KnnMethod::median ? (n_neighbors_ - 1) / 2 : n_neighbors_ - 1;
  }
  [[nodiscard]] std::size_t end() const noexcept {
    return method_ == KnnMethod::median ? n_neighbors_ / 2 + 1 : n_neighbors_;
  }

  [[nodiscard]] double score_of(const backendsdetail::Neighbors& nearest) const noexcept {
    double sum = 0.0;
    for (std::size_t i = first(); i < end(); ++i) sum += nearest.distance(i);
    return sum / static_cast<double>(end() - first());
  }

  KnnMethod method_ = KnnMethod::largest;
  std::size_t n_neighbors_ = 1;
  backendsdetail::RowBlocks rows_;
  std::vector<double> training_scores_;
};

/// KNN, the distance to the k nearest neighbors: Ramaswamy, Rastogi and Shim, "Efficient Algorithms
/// for Mining Outliers from Large Data Sets", SIGMOD 2000 (the largest distance); Angiulli and
/// Pizzuti, "Fast Outlier Detection in High Dimensional Spaces", PKDD 2002 (their mean). The
/// numbers are PyOD's; not random.
///
/// Distances are Euclidean, in the unit of the columns, which a scaler makes count alike. A row of
/// the training data is not its own neighbor in its training score; scored as a new row it finds
/// itself at a distance of 0.
struct Knn {
  /// What training yields.
  using Model = KnnModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "knn";

  /// How many neighbors: 1 … 1000, and fewer than there are training rows.
  std::size_t n_neighbors = 5;
  /// Which distance is the score.
  KnnMethod method = KnnMethod::largest;

  /// Throws ConfigurationError when a parameter is out of range.
  void validate() const {
    backendsdetail::require_n_neighbors(n_neighbors);
    require_method(method);
  }

  /// Trains on `rows` (n_rows × n_features, more than `n_neighbors` rows, finite).
  /// O(rows² · columns), for the training scores.
  /// Throws FitError when there are too few rows.
  [[nodiscard]] KnnModel fit(MatrixView rows, Seed /*seed*/ = 0) const {
    validate();
    backendsdetail::require_other_rows(rows, n_neighbors);
    KnnModel model;
    model.method_ = method;
    model.n_neighbors_ = n_neighbors;
    model.rows_ = backendsdetail::RowBlocks(rows);
    model.training_scores_.resize(rows.n_rows());
    model.rows_.each_row_and_nearest(rows, n_neighbors,
                                     [&](std::size_t i, const backendsdetail::Neighbors& nearest) {
                                       model.training_scores_[i] = model.score_of(nearest);
                                     });
    return model;
  }

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("n_neighbors", n_neighbors);
    visitor("method", method);
  }

  friend bool operator==(const Knn&, const Knn&) = default;
};

}  // namespace freshet
