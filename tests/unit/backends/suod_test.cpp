#include "freshet/backends/suod.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

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

TEST_CASE("the scores of the group's training rows have the mean 0, or are the largest") {
  RandomGenerator random(1);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 200, 4, random);
  const auto average = Suod{}.fit(rows, 3);
  const auto largest = Suod{.combination = Combination::maximization}.fit(rows, 3);
  double sum = 0.0;
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    sum += average.training_scores()[i];
    CHECK(largest.training_scores()[i] >= average.training_scores()[i]);
  }
  CHECK(sum == Approx(0.0).margin(1e-9));
  CHECK(average.score(std::vector{9.0, -9.0, 9.0, -9.0}) > average.training_scores()[0] + 1.0);
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
