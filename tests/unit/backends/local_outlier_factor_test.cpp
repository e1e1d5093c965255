#include "freshet/backends/local_outlier_factor.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"

using freshet::LocalOutlierFactor;
using freshet::LocalOutlierFactorModel;
using freshet::Matrix;
using freshet::RandomGenerator;
using freshet::RowView;
using freshet::test::explained;
using freshet::test::matrix;
using freshet::test::random_rows;

static_assert(freshet::Backend<LocalOutlierFactor>);
static_assert(freshet::ExplainableModel<LocalOutlierFactorModel> &&
              freshet::KeepsTrainingScores<LocalOutlierFactorModel>);

namespace {

double distance(RowView a, RowView b) {
  double squared = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) squared += (a[j] - b[j]) * (a[j] - b[j]);
  return std::sqrt(squared);
}

/// The definitions one by one, slowly.
struct Reference {
  const Matrix& rows;
  std::size_t k;

  [[nodiscard]] std::vector<std::size_t> neighbors(RowView row, std::size_t excluded) const {
    std::vector<std::size_t> order(rows.n_rows());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::erase(order, excluded);
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return distance(row, rows.row(i)); });
    order.resize(k);
    return order;
  }
  [[nodiscard]] double density(RowView row, std::size_t excluded) const {
    double sum = 0.0;
    for (const std::size_t i : neighbors(row, excluded)) {
      const double last = distance(rows.row(i), rows.row(neighbors(rows.row(i), i).back()));
      sum += std::max(distance(row, rows.row(i)), last);
    }
    return 1.0 / (sum / static_cast<double>(k) + 1e-10);
  }
  [[nodiscard]] double score(RowView row, std::size_t excluded = ~std::size_t{0}) const {
    double sum = 0.0;
    for (const std::size_t i : neighbors(row, excluded)) sum += density(rows.row(i), i);
    return sum / static_cast<double>(k) / density(row, excluded);
  }
};

}  // namespace

TEST_CASE("LOF is what its definitions give one by one") {
  RandomGenerator random(1);
  for (const auto kind : freshet::test::all_kinds) {
    const std::size_t n_columns = 1 + random.below(6);
    const Matrix rows = random_rows(kind, 35, n_columns, random);
    const Matrix others = random_rows(kind, 5, n_columns, random);
    for (const std::size_t k : {1U, 2U, 8U, 34U}) {
      const auto model = LocalOutlierFactor{.n_neighbors = k}.fit(rows);
      const Reference reference{rows, k};
      for (std::size_t i = 0; i < rows.n_rows(); i += 3) {
        REQUIRE(model.training_scores()[i] == Approx(reference.score(rows.row(i), i)));
      }
      for (std::size_t i = 0; i < others.n_rows(); ++i) {
        REQUIRE(model.score(others.row(i)) == Approx(reference.score(others.row(i))));
      }
    }
  }
}

TEST_CASE("groups of any density are usual, a row beside the dense one is not") {
  RandomGenerator random(2);
  Matrix rows(400, 2);
  for (std::size_t i = 0; i < 400; ++i) {
    const bool is_dense = i < 200;
    rows(i, 0) = (is_dense ? 0.0 : 50.0) + (is_dense ? 0.01 : 5.0) * random.normal();
    rows(i, 1) = (is_dense ? 0.01 : 5.0) * random.normal();
  }
  const auto model = LocalOutlierFactor{}.fit(rows);
  const auto score = [&](double x, double y) { return model.score(std::vector{x, y}); };
  CHECK(score(0.0, 0.0) == Approx(1.0).margin(0.2));
  CHECK(score(50.0, 0.0) == Approx(1.0).margin(0.2));
  CHECK(score(0.0, 0.3) > 8.0);
  CHECK(score(50.0, 5.0) < 1.5);
}

TEST_CASE("rows that are the same have a density, and all others are far from them") {
  const auto constant = LocalOutlierFactor{.n_neighbors = 3}.fit(Matrix(10, 2));
  for (const double score : constant.training_scores()) CHECK(score == Approx(1.0));
  CHECK(constant.score(std::vector{0.0, 0.0}) == Approx(1.0));
  CHECK(constant.score(std::vector{0.0, 1.0}) == Approx(1e10));
  CHECK(std::isfinite(constant.score(std::vector{1e300, -1e300})));
}

TEST_CASE("where there are fewer rows than neighbors all others are taken") {
  RandomGenerator random(3);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 12, 2, random);
  const auto model = LocalOutlierFactor{}.fit(rows);
  CHECK(model.n_neighbors() == 11);
  CHECK(model == LocalOutlierFactor{.n_neighbors = 11}.fit(rows));
  CHECK(LocalOutlierFactor{}.fit(matrix({{1.0}, {2.0}})).training_scores()[0] == Approx(1.0));
  CHECK_THROWS_AS(LocalOutlierFactor{}.fit(matrix({{1.0}})), freshet::FitError);
}

TEST_CASE("shares of an LOF score sum to it and point to the column") {
  RandomGenerator random(4);
  for (const auto kind : freshet::test::all_kinds) {
    const Matrix rows = random_rows(kind, 100, 4, random);
    const auto model = LocalOutlierFactor{.n_neighbors = 5}.fit(rows);
    const Matrix others = random_rows(kind, 20, 4, random);
    for (std::size_t i = 0; i < others.n_rows(); ++i) {
      CHECK(explained(model, others.row(i)) == Approx(model.score(others.row(i))));
    }
    CHECK(explained(model, rows.row(0)) == Approx(model.score(rows.row(0))));
  }
  const Matrix rows = random_rows(freshet::test::Kind::normal, 300, 3, random);
  const auto model = LocalOutlierFactor{}.fit(rows);
  std::vector<double> shares(3);
  model.explain(std::vector{0.0, 9.0, 0.0}, shares);
  CHECK(shares[1] > 10.0 * (shares[0] + shares[2]));
}

TEST_CASE("an LOF comes back from bytes, and none that could not score") {
  RandomGenerator random(5);
  const Matrix rows = random_rows(freshet::test::Kind::tied, 50, 3, random);
  const auto model = LocalOutlierFactor{.n_neighbors = 7}.fit(rows);
  CHECK(freshet::test::restored(model) == model);
  const int refused = freshet::test::refused_when_damaged(
      model, 3000, 40, random, [&](const LocalOutlierFactorModel& read) {
        if (read.n_features() == 3) {
          const double found = read.score(std::vector{0.0, 1.0, 2.0});
          CHECK(found > 0.0);
          CHECK(std::isfinite(found));
          CHECK(std::isfinite(explained(read, std::vector{0.0, 1.0, 2.0})));
        }
      });
  CHECK(refused > 100);
}

TEST_CASE("an LOF's parameters are checked") {
  for (const std::size_t n : {0U, 1001U}) {
    try {
      (void)LocalOutlierFactor{.n_neighbors = n}.fit(Matrix(3, 1));
      FAIL("expected an error");
    } catch (const freshet::ConfigurationError& error) {
      CHECK(error.field() == "n_neighbors");
    }
  }
}
