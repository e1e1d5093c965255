#include "freshet/backends/knn.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"

using freshet::Knn;
using freshet::KnnMethod;
using freshet::KnnModel;
using freshet::Matrix;
using freshet::RandomGenerator;
using freshet::RowView;
using freshet::test::explained;
using freshet::test::matrix;
using freshet::test::random_rows;

static_assert(freshet::Backend<Knn>);
static_assert(freshet::ExplainableModel<KnnModel> && freshet::KeepsTrainingScores<KnnModel>);

namespace {

/// All distances, sorted.
std::vector<double> sorted_distances(RowView row, const Matrix& rows,
                                     std::size_t excluded = ~std::size_t{0}) {
  std::vector<double> distances;
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    if (i == excluded) continue;
    double squared = 0.0;
    for (std::size_t j = 0; j < row.size(); ++j) {
      squared += (row[j] - rows(i, j)) * (row[j] - rows(i, j));
    }
    distances.push_back(std::sqrt(squared));
  }
  std::ranges::sort(distances);
  return distances;
}

double expected_score(const std::vector<double>& sorted, const Knn& backend) {
  const std::size_t k = backend.n_neighbors;
  if (backend.method == KnnMethod::largest) return sorted[k - 1];
  if (backend.method == KnnMethod::median) return (sorted[(k - 1) / 2] + sorted[k / 2]) / 2.0;
  double sum = 0.0;
  for (std::size_t i = 0; i < k; ++i) sum += sorted[i];
  return sum / static_cast<double>(k);
}

double score(const KnnModel& model, std::vector<double> row) { return model.score(row); }

}  // namespace

TEST_CASE("scores are those that all distances, sorted, give") {
  RandomGenerator random(1);
  for (const auto kind : freshet::test::all_kinds) {
    for (const std::size_t n_rows : {7U, 16U, 33U, 300U}) {
      const std::size_t n_columns = 1 + random.below(30);
      const Matrix rows = random_rows(kind, n_rows, n_columns, random);
      const Matrix others = random_rows(kind, 20, n_columns, random);
      for (const auto method : {KnnMethod::largest, KnnMethod::mean, KnnMethod::median}) {
        const Knn backend{.n_neighbors = 1 + random.below(n_rows - 1), .method = method};
        const auto model = backend.fit(rows);
        REQUIRE(model.training_scores().size() == n_rows);
        for (std::size_t i = 0; i < n_rows; ++i) {
          const double expected = expected_score(sorted_distances(rows.row(i), rows, i), backend);
          REQUIRE(model.training_scores()[i] == Approx(expected).epsilon(1e-12));
        }
        for (std::size_t i = 0; i < others.n_rows(); ++i) {
          const double expected = expected_score(sorted_distances(others.row(i), rows), backend);
          REQUIRE(model.score(others.row(i)) == Approx(expected).epsilon(1e-12));
        }
      }
    }
  }
}

TEST_CASE("a training row is its own neighbor only when it comes again") {
  const auto model = Knn{.n_neighbors = 1}.fit(matrix({{0.0}, {3.0}, {7.0}}));
  CHECK(std::ranges::equal(model.training_scores(), std::vector{3.0, 3.0, 4.0}));
  CHECK(score(model, {7.0}) == 0.0);
  CHECK(score(model, {6.0}) == 1.0);
}

TEST_CASE("overlapping rows and as many neighbors as there is room for") {
  RandomGenerator random(2);
  const Matrix series = random_rows(freshet::test::Kind::normal, 1200, 1, random);
  const Knn backend{.n_neighbors = 1000, .method = KnnMethod::mean};
  const auto model = backend.fit(series.view().shingled(3));
  const Matrix rows(series.view().shingled(3));
  CHECK(model == backend.fit(rows));
  const double expected = expected_score(sorted_distances(rows.row(5), rows, 5), backend);
  CHECK(model.training_scores()[5] == Approx(expected).epsilon(1e-12));
}

TEST_CASE("shares of a KNN score sum to it, by column") {
  RandomGenerator random(3);
  for (const auto kind : freshet::test::all_kinds) {
    const Matrix rows = random_rows(kind, 100, 6, random);
    for (const auto method : {KnnMethod::largest, KnnMethod::mean, KnnMethod::median}) {
      const auto model = Knn{.n_neighbors = 4, .method = method}.fit(rows);
      const Matrix others = random_rows(kind, 20, 6, random);
      for (std::size_t i = 0; i < others.n_rows(); ++i) {
        CHECK(explained(model, others.row(i)) == Approx(model.score(others.row(i))));
      }
      CHECK(explained(model, rows.row(0)) == Approx(model.score(rows.row(0))));
    }
  }
  const auto model = Knn{.n_neighbors = 2, .method = KnnMethod::mean}.fit(
      matrix({{0.0, 0.0}, {0.0, 5.0}, {100.0, 100.0}}));
  std::vector<double> shares(2);
  model.explain(std::vector{3.0, 4.0}, shares);  // at distances of 5 and √10
  CHECK(shares[0] == Approx((9.0 / 5.0 + 9.0 / std::sqrt(10.0)) / 2.0));
  CHECK(shares[1] == Approx((16.0 / 5.0 + 1.0 / std::sqrt(10.0)) / 2.0));
}

TEST_CASE("however far away, scores and shares are numbers") {
  const auto model = Knn{.n_neighbors = 1}.fit(matrix({{0.0, 1.0}, {1e300, 0.0}}));
  CHECK(score(model, {-1e300, 0.0}) == Approx(1e140));
  CHECK(explained(model, std::vector{-1e300, 0.0}) == Approx(1e140));
  CHECK(std::isfinite(model.training_scores()[1]));
  const auto tiny = Knn{.n_neighbors = 1}.fit(matrix({{0.0, 0.0}, {1e-200, 0.0}}));
  CHECK(explained(tiny, std::vector{0.0, 1e-200}) == 0.0);
}

TEST_CASE("a KNN comes back from bytes, and none that could not score") {
  RandomGenerator random(4);
  const Matrix rows = random_rows(freshet::test::Kind::tied, 50, 3, random);
  const auto model = Knn{.n_neighbors = 7, .method = KnnMethod::median}.fit(rows);
  CHECK(freshet::test::restored(model) == model);
  const int refused =
      freshet::test::refused_when_damaged(model, 3000, 40, random, [&](const KnnModel& read) {
        if (read.n_features() == 3) {
          CHECK(score(read, {0.0, 1.0, 2.0}) >= 0.0);
          CHECK(std::isfinite(score(read, {0.0, 1.0, 2.0})));
          CHECK(std::isfinite(explained(read, std::vector{0.0, 1.0, 2.0})));
        }
      });
  CHECK(refused > 100);
}

TEST_CASE("a KNN's parameters are checked, and that there are other rows") {
  const auto field_of = [](const Knn& backend, std::size_t n_rows) {
    try {
      (void)backend.fit(Matrix(n_rows, 2));
    } catch (const freshet::ConfigurationError& error) {
      return "parameter " + error.field();
    } catch (const freshet::FitError& error) {
      return "rows for " + error.field();
    }
    return std::string("nothing");
  };
  CHECK(field_of({}, 6) == "nothing");
  CHECK(field_of({}, 5) == "rows for n_neighbors");
  CHECK(field_of({.n_neighbors = 0}, 6) == "parameter n_neighbors");
  CHECK(field_of({.n_neighbors = 1001}, 6) == "parameter n_neighbors");
  CHECK(field_of({.method = static_cast<KnnMethod>(3)}, 6) == "parameter method");
}
