#include "freshet/backends/isolation_forest.hpp"

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"

using freshet::ConfigurationError;
using freshet::IsolationForest;
using freshet::IsolationForestModel;
using freshet::Matrix;
using freshet::RandomGenerator;
using freshet::test::explained;
using freshet::test::matrix;
using freshet::test::random_rows;

static_assert(freshet::Backend<IsolationForest>);
static_assert(freshet::ExplainableModel<IsolationForestModel> &&
              freshet::KeepsTrainingScores<IsolationForestModel>);

namespace {

// As in the paper, by the harmonic number itself and not by its approximation.
double mean_path(std::size_t n) {
  double harmonic = 0.0;
  for (std::size_t i = 1; i < n; ++i) harmonic += 1.0 / static_cast<double>(i);
  return 2.0 * harmonic - 2.0 * static_cast<double>(n - 1) / static_cast<double>(n);
}

double score(const IsolationForestModel& model, std::vector<double> row) {
  return model.score(row);
}

}  // namespace

TEST_CASE("the mean path is that of a search which finds nothing") {
  CHECK(freshet::backendsdetail::mean_path_length(0) == 0.0);
  CHECK(freshet::backendsdetail::mean_path_length(1) == 0.0);
  CHECK(freshet::backendsdetail::mean_path_length(2) == 1.0);
  for (const std::size_t n : {50U, 256U, 1000U}) {
    CHECK(freshet::backendsdetail::mean_path_length(n) == Approx(mean_path(n)).epsilon(0.005));
  }
}

TEST_CASE("a forest whose every tree is known scores as one computes by hand") {
  // The first split always parts 10 from the rest, which cannot be split.
  const auto model = IsolationForest{}.fit(matrix({{0}, {0}, {0}, {0}, {10}}));
  const double c4 = freshet::backendsdetail::mean_path_length(4);
  const double c5 = freshet::backendsdetail::mean_path_length(5);
  CHECK(model.n_trees() == 100);
  CHECK(score(model, {10.0}) == Approx(std::exp2(-1.0 / c5)));
  CHECK(score(model, {1e9}) == score(model, {10.0}));
  CHECK(score(model, {0.0}) == Approx(std::exp2(-(1.0 + c4) / c5)));
  CHECK(model.training_scores()[0] == score(model, {0.0}));
  CHECK(model.training_scores()[4] == score(model, {10.0}));
}

TEST_CASE("where nothing can be split every row is usual") {
  for (const std::size_t n : {1U, 2U, 300U}) {
    const Matrix rows(n, 3);
    const auto model = IsolationForest{.n_estimators = 10}.fit(rows);
    CHECK(score(model, {0.0, 0.0, 0.0}) == Approx(0.5));
    CHECK(score(model, {1.0, -1.0, 5.0}) == Approx(0.5));
    CHECK(explained(model, std::vector{1.0, 0.0, 0.0}) == Approx(0.5));
  }
}

TEST_CASE("a row apart from a ring scores above all of it, in the middle too") {
  RandomGenerator random(3);
  Matrix rows(400, 2);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    const double angle = 6.283185307179586 * random.uniform();
    rows(i, 0) = std::cos(angle) + 0.05 * random.normal();
    rows(i, 1) = std::sin(angle) + 0.05 * random.normal();
  }
  const auto model = IsolationForest{.n_estimators = 400}.fit(rows, 1);
  double mean = 0.0;
  for (const double one : model.training_scores()) mean += one / 400.0;
  CHECK(mean == Approx(0.5).margin(0.05));
  CHECK(score(model, {0.0, 0.0}) > mean + 0.05);
  CHECK(score(model, {3.0, 3.0}) > mean + 0.1);
}

TEST_CASE("contributions sum to the score and point to the column") {
  RandomGenerator random(5);
  for (const auto kind : freshet::test::all_kinds) {
    const Matrix rows = random_rows(kind, 300, 6, random);
    const auto model = IsolationForest{.n_estimators = 30}.fit(rows, 7);
    const Matrix others = random_rows(kind, 20, 6, random);
    for (std::size_t i = 0; i < others.n_rows(); ++i) {
      CHECK(explained(model, others.row(i)) == Approx(model.score(others.row(i))));
    }
  }
  const Matrix rows = random_rows(freshet::test::Kind::normal, 500, 4, random);
  const auto model = IsolationForest{}.fit(rows);
  std::vector<double> contributions(4);
  model.explain(std::vector{0.0, 0.0, 9.0, 0.0}, contributions);
  CHECK(contributions[2] > contributions[0] + contributions[1] + contributions[3]);
}

TEST_CASE("every tree sees its share of the columns") {
  RandomGenerator random(6);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 300, 5, random);
  // One tree of one column: the others change nothing.
  const auto model = IsolationForest{.n_estimators = 1, .max_features = 0.2}.fit(rows, 2);
  int n_matter = 0;
  for (std::size_t j = 0; j < 5; ++j) {
    std::vector<double> row(5);
    const double before = model.score(row);
    row[j] = 50.0;
    n_matter += model.score(row) != before ? 1 : 0;
  }
  CHECK(n_matter == 1);
}

TEST_CASE("a seed decides the forest, which does not depend on units") {
  RandomGenerator random(8);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 300, 3, random);
  const IsolationForest backend{.n_estimators = 20};
  CHECK(backend.fit(rows, 4) == backend.fit(rows, 4));
  CHECK_FALSE(backend.fit(rows, 4) == backend.fit(rows, 5));
  Matrix scaled = rows;
  for (std::size_t i = 0; i < rows.n_rows(); ++i) scaled(i, 1) *= 1024.0;
  const auto model = backend.fit(rows, 4);
  const auto of_scaled = backend.fit(scaled, 4);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    CHECK(model.training_scores()[i] == of_scaled.training_scores()[i]);
  }
}

TEST_CASE("a forest comes back from bytes, and none that could not be walked") {
  RandomGenerator random(9);
  const Matrix rows = random_rows(freshet::test::Kind::tied, 200, 3, random);
  const auto model = IsolationForest{.n_estimators = 5}.fit(rows);
  CHECK(freshet::test::restored(model) == model);
  const int refused = freshet::test::refused_when_damaged(
      model, 3000, 40, random, [&](const IsolationForestModel& read) {
        if (read.n_features() == 3) {
          CHECK(score(read, {0.0, 1.0, 2.0}) >= 0.0);
          CHECK(std::isfinite(score(read, {0.0, 1.0, 2.0})));
          CHECK(std::isfinite(explained(read, std::vector{0.0, 1.0, 2.0})));
        }
      });
  CHECK(refused > 100);
}

TEST_CASE("a forest's parameters are checked") {
  const auto field_of = [](const IsolationForest& backend) {
    try {
      backend.validate();
    } catch (const ConfigurationError& error) {
      return error.field();
    }
    return std::string("nothing");
  };
  CHECK(field_of({}) == "nothing");
  CHECK(field_of({.n_estimators = 0}) == "n_estimators");
  CHECK(field_of({.n_estimators = 10'001}) == "n_estimators");
  CHECK(field_of({.max_samples = 0}) == "max_samples");
  CHECK(field_of({.max_samples = 1'000'001}) == "max_samples");
  CHECK(field_of({.max_features = 0.0}) == "max_features");
  CHECK(field_of({.max_features = 1.5}) == "max_features");
  CHECK(field_of({.max_features = std::numeric_limits<double>::quiet_NaN()}) == "max_features");
}
