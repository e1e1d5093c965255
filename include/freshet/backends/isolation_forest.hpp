#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/random.hpp"
#include "freshet/core/training_rows.hpp"
#include "freshet/core/validate.hpp"

/// @file
/// Isolation forest: how few random splits separate a row from the others?

namespace freshet {

struct IsolationForest;

namespace backendsdetail {

/// The mean number of splits that separate one of `n` rows from the others: that of an unsuccessful
/// search in a binary search tree, the paper's c(n).
[[nodiscard]] inline double mean_path_length(std::size_t n) noexcept {
  if (n <= 1) return 0.0;
  if (n == 2) return 1.0;
  const auto others = static_cast<double>(n - 1);
  return 2.0 * (std::log(others) + std::numbers::egamma) - 2.0 * others / (others + 1.0);
}

}  // namespace backendsdetail

/// A trained isolation forest: immutable.
class IsolationForestModel {
 public:
  IsolationForestModel() = default;

  /// The width of the rows it was trained on.
  [[nodiscard]] std::size_t n_features() const noexcept { return n_features_; }
  /// The number of trees.
  [[nodiscard]] std::size_t n_trees() const noexcept { return roots_.size(); }

  /// The raw score of a row of `n_features()` values, in (0, 1]. O(trees · log max_samples), no
  /// allocation.
  [[nodiscard]] double score(RowView row) const noexcept {
    assert(row.size() == n_features_);
    double sum = 0.0;
    for (const std::uint32_t root : roots_) {
      const Node* node = &nodes_[root];
      while (node->feature != of_leaf) {
        // The sum and not a branch, which no processor can predict.
        node = &nodes_[node->left + static_cast<std::uint32_t>(row[node->feature] > node->value)];
      }
      sum += node->value;
    }
    return score_of(sum);
  }

  /// Each column's share of the score: in proportion to the number of splits that its splits have
  /// saved, beside the mean one, on the way of the row through all trees; or equally when there was
  /// nothing saved. This is our own definition, chosen because the shares sum to the score.
  void explain(RowView row, std::span<double> contributions) const noexcept;

  /// The scores of the training rows, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  friend bool operator==(const IsolationForestModel&, const IsolationForestModel&) = default;

  /// Reads or writes the model; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(n_features_, roots_, nodes_, expected_, mean_path_, training_scores_);
    archive.require(std::isfinite(mean_path_) && mean_path_ >= 0.0, "mean path");
    archive.require(expected_.size() == nodes_.size() && has_sound_trees(), "trees");
  }

 private:
  friend struct IsolationForest;

  static constexpr std::uint32_t of_leaf = std::numeric_limits<std::uint32_t>::max();

  struct Node {
    double value = 0.0;               // rows up to it go left; of a leaf, the length of the path
    std::uint32_t feature = of_leaf;  // that is compared
    std::uint32_t left = 0;           // where the left child is; the right one follows it

    friend bool operator==(const Node&, const Node&) = default;

    template <class Archive>
    void serialize(Archive& archive) {
      archive(value, feature, left);
    }
  };

  // Rows of one tree that are still together.
  struct Group {
    std::uint32_t node;
    std::size_t begin, end, depth;
  };

  [[nodiscard]] double score_of(double sum_of_paths) const noexcept {
    const double paths = mean_path_ * static_cast<double>(roots_.size());
    return std::exp2(paths > 0.0 ? -sum_of_paths / paths : -1.0);
  }

  // Whether every way from a root ends in a leaf.
  [[nodiscard]] bool has_sound_trees() const noexcept {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const Node& node = nodes_[i];
      if (!std::isfinite(node.value) || !std::isfinite(expected_[i])) return false;
      if (node.feature == of_leaf) continue;
      if (node.feature >= n_features_ || node.left <= i || node.left >= nodes_.size() - 1) {
        return false;
      }
    }
    return std::ranges::all_of(roots_, [&](std::uint32_t root) { return root < nodes_.size(); });
  }

  std::uint32_t add_node() {
    nodes_.emplace_back();
    expected_.push_back(0.0);
    return static_cast<std::uint32_t>(nodes_.size() - 1);
  }

  void grow(MatrixView rows, std::span<std::uint32_t> sample, std::span<std::uint32_t> columns,
            RandomGenerator& random);
  bool split(MatrixView rows, std::span<std::uint32_t> group, std::span<std::uint32_t> columns,
             Node& node, RandomGenerator& random);

  std::size_t n_features_ = 0;
  std::vector<std::uint32_t> roots_;
  std::vector<Node> nodes_;       // of all trees, parents before their children
  std::vector<double> expected_;  // splits that the rows of a node need on average, by their number
  double mean_path_ = 0.0;
  std::vector<double> training_scores_;
};

/// Isolation forest: Liu, Ting and Zhou, "Isolation Forest", ICDM 2008.
///
/// Each tree takes some of the training rows and splits them at a random value of a random column,
/// and so on, until each is alone. A row that few splits isolate is abnormal: with E the mean
/// number of splits over the trees, and c the one that is expected of as many rows, the score is
/// 2^(-E / c), 0.5 for a usual row and towards 1 for an abnormal one. It has no unit, does not
/// depend on those of the columns, and sees no distance beyond the training range: a row far
/// outside scores like one just outside. PyOD's scores are these less their threshold.
struct IsolationForest {
  /// What training yields.
  using Model = IsolationForestModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "isolation_forest";

  /// Trees: 1 … 10000.
  std::size_t n_estimators = 100;
  /// Rows for each tree, without repetition; all, if there are fewer: 1 … 1000000.
  std::size_t max_samples = 256;
  /// The share of the columns that each tree sees, at least one of them: above 0, up to 1.
  double max_features = 1.0;

  /// Throws ConfigurationError when a parameter is out of range.
  void validate() const {
    require_parameter(n_estimators >= 1 && n_estimators <= 10'000, "n_estimators",
                      "an integer from 1 to 10000");
    require_parameter(max_samples >= 1 && max_samples <= 1'000'000, "max_samples",
                      "an integer from 1 to 1000000");
    require_parameter(max_features > 0.0 && max_features <= 1.0, "max_features",
                      "a number above 0 and up to 1");
  }

  /// Trains on `rows` (n_rows × n_features, at least one row, finite): the same on every platform
  /// for a seed. O(trees · (samples + rows) · log samples).
  [[nodiscard]] IsolationForestModel fit(MatrixView rows, Seed seed = 0) const;

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("n_estimators", n_estimators);
    visitor("max_samples", max_samples);
    visitor("max_features", max_features);
  }

  friend bool operator==(const IsolationForest&, const IsolationForest&) = default;
};

inline void IsolationForestModel::explain(RowView row,
                                          std::span<double> contributions) const noexcept {
  assert(row.size() == n_features_ && contributions.size() == n_features_);
  std::fill(contributions.begin(), contributions.end(), 0.0);
  double paths = 0.0;
  double total = 0.0;
  for (std::uint32_t i : roots_) {
    while (nodes_[i].feature != of_leaf) {
      const Node& node = nodes_[i];
      const std::uint32_t next =
          node.left + static_cast<std::uint32_t>(row[node.feature] > node.value);
      const double saved = std::max(expected_[i] - 1.0 - expected_[next], 0.0);
      contributions[node.feature] += saved;
      total += saved;
      i = next;
    }
    paths += nodes_[i].value;
  }
  const double score = score_of(paths);
  for (double& contribution : contributions) {
    contribution = total > 0.0 ? score * (contribution / total)
                               : score / static_cast<double>(contributions.size());
  }
}

/// Splits a group at a random value of a random column, its rows up to the value first; sets
/// `node`.
/// @return false when no column has two values.
inline bool IsolationForestModel::split(MatrixView rows, std::span<std::uint32_t> group,
                                        std::span<std::uint32_t> columns, Node& node,
                                        RandomGenerator& random) {
  for (std::size_t tried = 0; tried < columns.size(); ++tried) {
    std::swap(columns[tried], columns[tried + random.below(columns.size() - tried)]);
    const std::uint32_t column = columns[tried];
    double least = rows(group.front(), column);
    double largest = least;
    for (const std::uint32_t i : group) {
      least = std::min(least, rows(i, column));
      largest = std::max(largest, rows(i, column));
    }
    if (least == largest) continue;
    node.feature = column;
    node.value = least + random.uniform() * (largest - least);
    if (node.value >= largest) node.value = least;  // by rounding
    std::partition(group.begin(), group.end(),
                   [&](std::uint32_t i) { return rows(i, column) <= node.value; });
    return true;
  }
  return false;
}

inline void IsolationForestModel::grow(MatrixView rows, std::span<std::uint32_t> sample,
                                       std::span<std::uint32_t> columns, RandomGenerator& random) {
  const auto max_depth = static_cast<std::size_t>(
      std::ceil(std::log2(static_cast<double>(std::max<std::size_t>(sample.size(), 2)))));
  roots_.push_back(add_node());
  std::vector<Group> waiting{{roots_.back(), 0, sample.size(), 0}};
  while (!waiting.empty()) {
    const Group group = waiting.back();
    waiting.pop_back();
    const std::span<std::uint32_t> members = sample.subspan(group.begin, group.end - group.begin);
    expected_[group.node] = backendsdetail::mean_path_length(members.size());
    Node node;
    if (members.size() <= 1 || group.depth >= max_depth ||
        !split(rows, members, columns, node, random)) {
      nodes_[group.node].value = static_cast<double>(group.depth) + expected_[group.node];
      continue;
    }
    node.left = add_node();
    const std::uint32_t right = add_node();
    nodes_[group.node] = node;
    const auto middle = std::partition_point(members.begin(), members.end(), [&](std::uint32_t i) {
      return rows(i, node.feature) <= node.value;
    });
    const std::size_t end_of_left =
        group.begin + static_cast<std::size_t>(middle - members.begin());
    waiting.push_back({right, end_of_left, group.end, group.depth + 1});
    waiting.push_back({node.left, group.begin, end_of_left, group.depth + 1});
  }
}

inline IsolationForestModel IsolationForest::fit(MatrixView rows, Seed seed) const {
  validate();
  require_training_rows(rows);
  const std::size_t n_samples = std::min(max_samples, rows.n_rows());
  const auto n_columns = std::max<std::size_t>(
      static_cast<std::size_t>(max_features * static_cast<double>(rows.n_columns())), 1);
  IsolationForestModel model;
  model.n_features_ = rows.n_columns();
  model.mean_path_ = backendsdetail::mean_path_length(n_samples);
  RandomGenerator random(seed);
  std::vector<std::uint32_t> order(rows.n_rows());
  std::vector<std::uint32_t> columns(rows.n_columns());
  std::iota(order.begin(), order.end(), 0U);
  std::iota(columns.begin(), columns.end(), 0U);
  // The first of `items` become a random choice from all of them.
  const auto draw = [&](std::vector<std::uint32_t>& items, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      std::swap(items[i], items[i + static_cast<std::size_t>(random.below(items.size() - i))]);
    }
    return std::span(items).first(n);
  };
  for (std::size_t tree = 0; tree < n_estimators; ++tree) {
    // A copy, for how the rows are rearranged is up to the standard library.
    const std::span<std::uint32_t> drawn = draw(order, n_samples);
    std::vector<std::uint32_t> sample(drawn.begin(), drawn.end());
    model.grow(rows, sample, draw(columns, n_columns), random);
  }
  model.training_scores_ = scores_of(model, rows);
  return model;
}

}  // namespace freshet
