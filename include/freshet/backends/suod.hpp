#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "freshet/backends/combination.hpp"
#include "freshet/backends/copod.hpp"
#include "freshet/backends/hbos.hpp"
#include "freshet/backends/isolation_forest.hpp"
#include "freshet/backends/local_outlier_factor.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/random.hpp"

/// @file
/// SUOD's group of methods: what do several that differ say together?

namespace freshet {

struct Suod;

/// Trained models whose scores are combined: immutable.
class SuodModel {
 public:
  SuodModel() = default;

  /// The width of the rows that it scores.
  [[nodiscard]] std::size_t n_features() const noexcept {
    return std::get<0>(models_).n_features();
  }

  /// The raw score of a row of `n_features()` values: the mean, or the largest, of the methods'
  /// scores in standard deviations from their means over the training rows. No allocation.
  [[nodiscard]] double score(RowView row) const noexcept { return combined(standardized(row)); }

  /// Each column's share of the score: that of each method's score in its units, of which the mean
  /// is taken off in equal parts; of the method that decides, if that is the largest.
  void explain(RowView row, std::span<double> contributions) const noexcept;

  /// The scores of the training rows, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  friend bool operator==(const SuodModel&, const SuodModel&) = default;

  /// Reads or writes the model; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    std::apply([&archive](auto&... models) { archive(models...); }, models_);
    archive.values(std::span<double>(means_));
    archive.values(std::span<double>(deviations_));
    archive(combination_, training_scores_);
    if constexpr (Archive::is_reading) {
      const auto has_width = [this](const auto& model) {
        return model.n_features() == n_features();
      };
      archive.require(
          std::apply([&](const auto&... models) { return (has_width(models) && ...); }, models_),
          "widths");
      archive.require(
          std::ranges::all_of(means_, [](double x) { return std::abs(x) <= largest_moment; }) &&
              std::ranges::all_of(
                  deviations_,
                  [](double x) { return x >= least_deviation && x <= largest_moment; }),
          "standardization");
      archive.require(combination_ <= Combination::maximization, "combination");
    }
  }

 private:
  friend struct Suod;

  using Models =
      std::tuple<LocalOutlierFactorModel, LocalOutlierFactorModel, HbosModel, HbosModel, CopodModel,
                 IsolationForestModel, IsolationForestModel, IsolationForestModel>;
  static constexpr std::size_t n_models = std::tuple_size_v<Models>;
  // So that standardized scores stay finite.
  static constexpr double least_deviation = 1e-30;
  static constexpr double largest_moment = 1e200;

  using Scores = std::array<double, n_models>;

  // `raw(model)` is the score of one method.
  template <class Raw>
  [[nodiscard]] Scores standardized(const Raw& raw) const noexcept {
    Scores scores{};
    each([&](const auto& model, std::size_t i) {
      scores[i] = (raw(model) - means_[i]) / deviations_[i];
    });
    return scores;
  }

  [[nodiscard]] Scores standardized(RowView row) const noexcept {
    return standardized([row](const auto& model) { return model.score(row); });
  }

  [[nodiscard]] double combined(const Scores& scores) const noexcept {
    if (combination_ == Combination::maximization) return *std::ranges::max_element(scores);
    double sum = 0.0;
    for (const double score : scores) sum += score;
    return sum / static_cast<double>(n_models);
  }

  // Calls `use(model, index)` for each.
  template <class Use>
  void each(const Use& use) const noexcept {
    std::apply(
        [&use](const auto&... models) {
          std::size_t i = 0;
          (use(models, i++), ...);
        },
        models_);
  }

  Models models_;
  std::array<double, n_models> means_{};
  std::array<double, n_models> deviations_{};
  Combination combination_ = Combination::average;
  std::vector<double> training_scores_;
};

/// The methods that PyOD's SUOD has by default, trained on the same rows: LOF with 15 and 20
/// neighbors, HBOS with 10 and 20 bins, COPOD, and isolation forests of 50, 100 and 150 trees.
/// Their scores are standardized by those of the training rows, then combined.
///
/// Of Zhao, Hu, Cheng, Wang, Wan, Wang, Yang, Bai, Li, Xiao, Wang, Qiao, Sun and Akoglu, "SUOD:
/// Accelerating Large-Scale Unsupervised Heterogeneous Outlier Detection", MLSys 2021, this is the
/// group and not the acceleration: no random projections, no approximation by supervised models,
/// which trade accuracy for a speed that compiled methods have.
struct Suod {
  /// What training yields.
  using Model = SuodModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "suod";

  /// How scores become one.
  Combination combination = Combination::average;

  /// Throws ConfigurationError when a parameter is out of range.
  void validate() const {
    require_parameter(combination <= Combination::maximization, "combination",
                      R"("average" or "maximization")");
  }

  /// Trains on `rows` (n_rows × n_features, at least two rows, finite); `seed` decides the forests.
  /// O(rows² · columns).
  /// @throws FitError when there is one row only
  [[nodiscard]] SuodModel fit(MatrixView rows, Seed seed = 0) const;

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("combination", combination);
  }

  friend bool operator==(const Suod&, const Suod&) = default;
};

inline void SuodModel::explain(RowView row, std::span<double> contributions) const noexcept {
  assert(row.size() == n_features() && contributions.size() == n_features());
  // There is room for one method's contributions: those of the others are found one after the
  // other.
  const auto n_columns = static_cast<double>(contributions.size());
  if (combination_ == Combination::maximization) {
    const Scores scores = standardized(row);
    const auto largest =
        static_cast<std::size_t>(std::ranges::max_element(scores) - scores.begin());
    each([&](const auto& model, std::size_t i) {
      if (i != largest) return;
      model.explain(row, contributions);
      for (double& one : contributions) one = (one - means_[i] / n_columns) / deviations_[i];
    });
    return;
  }
  thread_local std::vector<double> parts;
  parts.resize(contributions.size());
  std::ranges::fill(contributions, 0.0);
  each([&](const auto& model, std::size_t i) {
    model.explain(row, parts);
    for (std::size_t j = 0; j < parts.size(); ++j) {
      contributions[j] +=
          (parts[j] - means_[i] / n_columns) / (deviations_[i] * static_cast<double>(n_models));
    }
  });
}

inline SuodModel Suod::fit(MatrixView rows, Seed seed) const {
  validate();
  RandomGenerator random(seed);
  const auto forest = [&](std::size_t n_trees) {
    return IsolationForest{.n_estimators = n_trees}.fit(rows, random());
  };
  SuodModel model;
  model.combination_ = combination;
  auto& [lof15, lof20, hbos10, hbos20, copod, forest50, forest100, forest150] = model.models_;
  lof15 = LocalOutlierFactor{.n_neighbors = 15}.fit(rows);
  lof20 = LocalOutlierFactor{.n_neighbors = 20}.fit(rows);
  hbos10 = Hbos{.n_bins = 10}.fit(rows);
  hbos20 = Hbos{.n_bins = 20}.fit(rows);
  copod = Copod{}.fit(rows);
  forest50 = forest(50);
  forest100 = forest(100);
  forest150 = forest(150);
  const auto n = static_cast<double>(rows.n_rows());
  model.each([&](const auto& one, std::size_t i) {
    const std::span<const double> scores = one.training_scores();
    double sum = 0.0;
    for (const double score : scores) sum += score;
    const double mean = sum / n;
    double squares = 0.0;
    for (const double score : scores) squares += (score - mean) * (score - mean);
    const double deviation = std::sqrt(squares / n);
    model.means_[i] = mean;
    // Rounding alone makes no spread.
    const double rounding = std::max(1e-13 * std::abs(mean), SuodModel::least_deviation);
    model.deviations_[i] = deviation > rounding ? deviation : 1.0;
  });
  model.training_scores_.reserve(rows.n_rows());
  for (std::size_t row = 0; row < rows.n_rows(); ++row) {
    model.training_scores_.push_back(model.combined(model.standardized(
        [row](const auto& one) noexcept { return one.training_scores()[row]; })));
  }
  return model;
}

}  // namespace freshet
