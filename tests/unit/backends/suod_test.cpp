#include "freshet/backends/suod.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

#include "freshet/backends/copod.hpp"
#include "freshet/backends/hbos.hpp"
#include "freshet/backends/isolation_forest.hpp"
#include "freshet/backends/local_outlier_factor.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"

using freshet::Combination;
using freshet::Matrix;
using freshet::RandomGenerator;
using freshet::Suod;
using freshet::SuodModel;
using freshet::test::explained;
using freshet::test::random_rows;

static_assert(freshet::Backend<Suod>);
static_assert(freshet::ExplainableModel<SuodModel> && freshet::KeepsTrainingScores<SuodModel>);

namespace {

// Of each of the group's methods by itself: the scores of the training rows, then that of `row`.
std::vector<std::vector<double>> scores_of_methods(const Matrix& rows, freshet::Seed seed,
                                                   freshet::RowView row) {
  RandomGenerator random(seed);
  std::vector<std::vector<double>> scores;
  const auto add = [&](const auto& model) {
    scores.emplace_back();
    for (const double one : model.training_scores()) scores.back().push_back(one);
    scores.back().push_back(model.score(row));
  };
  add(freshet::LocalOutlierFactor{.n_neighbors = 15}.fit(rows));
  add(freshet::LocalOutlierFactor{.n_neighbors = 20}.fit(rows));
  add(freshet::Hbos{.n_bins = 10}.fit(rows));
  add(freshet::Hbos{.n_bins = 20}.fit(rows));
  add(freshet::Copod{}.fit(rows));
  for (const std::size_t n_trees : {50U, 100U, 150U}) {
    add(freshet::IsolationForest{.n_estimators = n_trees}.fit(rows, random()));
  }
  return scores;
}

}  // namespace

TEST_CASE("scores are the mean, or the largest, of its methods' in standard deviations") {
  RandomGenerator random(1);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 200, 4, random);
  const std::vector row{3.0, -1.0, 0.5, 2.0};
  const auto average = Suod{}.fit(rows, 3);
  const auto largest = Suod{.combination = Combination::maximization}.fit(rows, 3);
  const auto methods = scores_of_methods(rows, 3, row);
  for (std::size_t i = 0; i <= rows.n_rows(); ++i) {
    double sum = 0.0;
    double most = -std::numeric_limits<double>::infinity();
    for (const std::vector<double>& scores : methods) {
      const auto n = static_cast<double>(rows.n_rows());
      const double mean = std::accumulate(scores.begin(), scores.end() - 1, 0.0) / n;
      double variance = 0.0;
      for (std::size_t k = 0; k < rows.n_rows(); ++k) {
        variance += (scores[k] - mean) * (scores[k] - mean) / n;
      }
      const double standardized = (scores[i] - mean) / std::sqrt(variance);
      sum += standardized;
      most = std::max(most, standardized);
    }
    const bool is_new = i == rows.n_rows();
    const double found = is_new ? average.score(row) : average.training_scores()[i];
    const double found_most = is_new ? largest.score(row) : largest.training_scores()[i];
    CHECK(found == Approx(sum / 8.0).epsilon(1e-9).margin(1e-9));
    CHECK(found_most == Approx(most).epsilon(1e-9).margin(1e-9));
  }
}

TEST_CASE("the group's contributions sum to the score and point to the column") {
  RandomGenerator random(2);
  const auto combination = GENERATE(Combination::average, Combination::maximization);
  for (const auto kind : freshet::test::all_kinds) {
    const Matrix rows = random_rows(kind, 150, 5, random);
    const auto model = Suod{.combination = combination}.fit(rows, 7);
    const Matrix others = random_rows(kind, 10, 5, random);
    for (std::size_t i = 0; i < others.n_rows(); ++i) {
      CHECK(explained(model, others.row(i)) ==
            Approx(model.score(others.row(i))).epsilon(1e-9).margin(1e-9));
    }
  }
  const Matrix rows = random_rows(freshet::test::Kind::normal, 300, 3, random);
  const auto model = Suod{.combination = combination}.fit(rows);
  std::vector<double> contributions(3);
  model.explain(std::vector{0.0, 9.0, 0.0}, contributions);
  CHECK(contributions[1] > contributions[0] + contributions[2]);
}

TEST_CASE("a group of constant rows has finite scores") {
  const Matrix rows(60, 2);
  const auto model = Suod{}.fit(rows);
  CHECK(model.score(rows.row(0)) == Approx(0.0).margin(1e-9));
  CHECK(std::isfinite(model.score(std::vector{1.0, 1.0})));
  CHECK_THROWS_AS(Suod{}.fit(Matrix(1, 2)), freshet::FitError);
}

TEST_CASE("a group comes back from bytes, and none of models that differ in width") {
  RandomGenerator random(4);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 60, 3, random);
  const auto model = Suod{}.fit(rows, 1);
  CHECK(model == Suod{}.fit(rows, 1));
  CHECK_FALSE(model == Suod{}.fit(rows, 2));
  CHECK(freshet::test::restored(model) == model);
  const int refused =
      freshet::test::refused_when_damaged(model, 500, 40, random, [&](const SuodModel& read) {
        if (read.n_features() == 3) {
          CHECK(std::isfinite(read.score(rows.row(0))));
          CHECK(std::isfinite(explained(read, rows.row(0))));
        }
      });
  CHECK(refused > 10);
}
