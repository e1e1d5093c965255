#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "freshet/backends/detail/row_blocks.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/random.hpp"

/// @file
/// Clusters around centers, as scikit-learn's KMeans finds them from one start: seeded by greedy
/// k-means++ (Arthur and Vassilvitskii, SODA 2007), improved by Lloyd's iterations.

namespace freshet::backendsdetail {

/// Finds up to `n_clusters` centers: fewer, where there are fewer rows that differ.
class KMeans {
 public:
  /// `rows`: at least one, finite. O(clusters · rows · columns) for each of up to 300 iterations.
  KMeans(MatrixView rows, std::size_t n_clusters, RandomGenerator random)
      : rows_(rows), mean_(rows.n_columns()) {
    // Relative to their mean, rows far from zero keep their digits.
    for (std::size_t j = 0; j < mean_.size(); ++j) mean_[j] = mean_of(j);
    for (std::size_t i = 0; i < rows_.n_rows(); ++i) {
      for (std::size_t j = 0; j < mean_.size(); ++j) rows_(i, j) -= mean_[j];
    }
    seed(n_clusters, random);
    improve();
  }

  /// The centers, one a row.
  [[nodiscard]] Matrix centers() const {
    Matrix centers(centers_);
    for (std::size_t i = 0; i < centers.n_rows(); ++i) {
      for (std::size_t j = 0; j < mean_.size(); ++j) centers(i, j) += mean_[j];
    }
    return centers;
  }

 private:
  [[nodiscard]] double mean_of(std::size_t j) const noexcept {
    const auto n = static_cast<double>(rows_.n_rows());
    double sum = 0.0;
    for (std::size_t i = 0; i < rows_.n_rows(); ++i) sum += rows_(i, j) / n;
    return sum;
  }

  [[nodiscard]] double squared_distance(std::size_t i, RowView other) const noexcept {
    double sum = 0.0;
    for (std::size_t j = 0; j < other.size(); ++j) {
      const double difference = rows_(i, j) - other[j];
      sum += difference * difference;
    }
    return std::min(sum, largest_squared_distance);
  }

  // Each next center is one of some random rows, likelier the farther from the centers before: the
  // one that leaves all rows closest to their centers.
  void seed(std::size_t n_clusters, RandomGenerator& random) {
    const std::size_t n = rows_.n_rows();
    const auto n_trials = 2 + static_cast<std::size_t>(std::log(
                                  static_cast<double>(std::max<std::size_t>(n_clusters, 1))));
    std::vector<std::size_t> chosen{static_cast<std::size_t>(random.below(n))};
    std::vector<double> nearest(n);
    for (std::size_t i = 0; i < n; ++i) nearest[i] = squared_distance(i, rows_.row(chosen[0]));
    std::vector<double> best(n);
    std::vector<double> tried(n);
    while (chosen.size() < n_clusters) {
      double total = 0.0;
      for (const double squared : nearest) total += squared;
      if (total == 0.0) break;  // every row is a center already
      double least = 0.0;
      std::size_t next = n;
      for (std::size_t trial = 0; trial < n_trials; ++trial) {
        const std::size_t candidate = draw(nearest, total * random.uniform());
        double left = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
          tried[i] = std::min(nearest[i], squared_distance(i, rows_.row(candidate)));
          left += tried[i];
        }
        if (next != n && left >= least) continue;
        least = left;
        next = candidate;
        best.swap(tried);
      }
      nearest.swap(best);
      chosen.push_back(next);
    }
    centers_ = Matrix(chosen.size(), rows_.n_columns());
    for (std::size_t c = 0; c < chosen.size(); ++c) {
      std::ranges::copy(rows_.row(chosen[c]), centers_.row(c).begin());
    }
  }

  // The row at which the sum of the weights before it passes `target`.
  [[nodiscard]] static std::size_t draw(std::span<const double> weights, double target) noexcept {
    std::size_t last = 0;
    double sum = 0.0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (weights[i] == 0.0) continue;
      last = i;
      sum += weights[i];
      if (sum > target) break;
    }
    return last;  // also where rounding has left the sum below the target
  }

  void improve() {
    constexpr int most_iterations = 300;
    constexpr double tolerance = 1e-4;  // of the mean variance of the columns
    double variance = 0.0;
    for (std::size_t i = 0; i < rows_.n_rows(); ++i) {
      for (const double value : rows_.row(i)) variance += value * value;
    }
    variance /= static_cast<double>(rows_.n_rows()) * static_cast<double>(rows_.n_columns());
    std::vector<std::size_t> labels;
    for (int iteration = 0; iteration < most_iterations; ++iteration) {
      std::vector<std::size_t> before = std::move(labels);
      labels = nearest_centers();
      if (labels == before) return;
      if (move_centers(labels) <= tolerance * variance) return;
    }
  }

  [[nodiscard]] std::vector<std::size_t> nearest_centers() {
    const RowBlocks centers(centers_);
    std::vector<std::size_t> labels(rows_.n_rows());
    distances_.resize(rows_.n_rows());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const Neighbors nearest = centers.nearest(rows_.row(i), 1);
      labels[i] = nearest.index(0);
      distances_[i] = nearest.squared_distance(0);
    }
    return labels;
  }

  /// Every center to the mean of its rows.
  /// @return the sum of the squared ways.
  double move_centers(std::vector<std::size_t> labels) {
    std::vector<std::size_t> sizes(centers_.n_rows());
    for (const std::size_t label : labels) ++sizes[label];
    // A center without rows gets the row that is farthest from its own.
    for (std::size_t c = 0; c < sizes.size(); ++c) {
      if (sizes[c] > 0) continue;
      const auto farthest =
          static_cast<std::size_t>(std::ranges::max_element(distances_) - distances_.begin());
      if (distances_[farthest] == 0.0) break;
      --sizes[labels[farthest]];
      labels[farthest] = c;
      ++sizes[c];
      distances_[farthest] = 0.0;
    }
    Matrix moved(centers_.n_rows(), centers_.n_columns());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      for (std::size_t j = 0; j < mean_.size(); ++j) moved(labels[i], j) += rows_(i, j);
    }
    double way = 0.0;
    for (std::size_t c = 0; c < sizes.size(); ++c) {
      for (std::size_t j = 0; j < mean_.size(); ++j) {
        moved(c, j) = sizes[c] > 0 ? moved(c, j) / static_cast<double>(sizes[c]) : centers_(c, j);
        way += (moved(c, j) - centers_(c, j)) * (moved(c, j) - centers_(c, j));
      }
    }
    centers_ = std::move(moved);
    return way;
  }

  Matrix rows_;
  std::vector<double> mean_;
  Matrix centers_;
  std::vector<double> distances_;  // squared, of each row to its center
};

}  // namespace freshet::backendsdetail
