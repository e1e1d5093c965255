#include "freshet/backends/cblof.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"

using freshet::Cblof;
using freshet::CblofModel;
using freshet::Matrix;
using freshet::RandomGenerator;
using freshet::test::explained;
using freshet::test::matrix;
using freshet::test::random_rows;

static_assert(freshet::Backend<Cblof>);
static_assert(freshet::ExplainableModel<CblofModel> && freshet::KeepsTrainingScores<CblofModel>);

namespace {

double score(const CblofModel& model, std::vector<double> row) { return model.score(row); }

/// Rows of one column, so many of each value.
Matrix piles(const std::vector<std::pair<std::size_t, double>>& sizes_and_values) {
  std::vector<std::vector<double>> rows;
  for (const auto& [size, value] : sizes_and_values) rows.insert(rows.end(), size, {value});
  return matrix(rows);
}

std::size_t n_large(std::vector<std::size_t> sizes, const Cblof& settings = {}) {
  std::vector<std::pair<std::size_t, double>> all;
  for (const std::size_t size : sizes)
    all.emplace_back(size, 10.0 * static_cast<double>(all.size()));
  Cblof backend = settings;
  backend.n_clusters = sizes.size();
  const auto model = backend.fit(piles(all), 1);
  std::ranges::sort(sizes, std::greater{});
  REQUIRE(std::ranges::equal(model.cluster_sizes(), sizes));
  return model.n_large_clusters();
}

}  // namespace

TEST_CASE("scores are distances to the own large cluster or to the nearest large one") {
  const Matrix rows = piles({{60, 0.0}, {40, 10.0}, {2, 14.0}});
  const auto model = Cblof{.n_clusters = 3}.fit(rows);
  CHECK(std::ranges::equal(model.cluster_sizes(), std::vector<std::size_t>{60, 40, 2}));
  CHECK(model.n_large_clusters() == 2);
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(model.centers()(c, 0) == Approx(std::vector{0.0, 10.0, 14.0}[c]).margin(1e-12));
  }
  CHECK(score(model, {1.0}) == Approx(1.0));
  CHECK(score(model, {9.0}) == Approx(1.0));
  CHECK(score(model, {15.0}) == Approx(5.0));  // its own center is small
  CHECK(score(model, {-4.0}) == Approx(4.0));
  CHECK(model.training_scores()[0] == Approx(0.0).margin(1e-12));
  CHECK(model.training_scores()[101] == Approx(4.0));
  const auto weighted = Cblof{.n_clusters = 3, .use_weights = true}.fit(rows);
  CHECK(score(weighted, {1.0}) == Approx(60.0));
  CHECK(score(weighted, {9.0}) == Approx(40.0));
  CHECK(score(weighted, {15.0}) == Approx(10.0));
}

TEST_CASE("clusters are large by their share and by the step behind them") {
  CHECK(n_large({50, 45, 3, 2}) == 2);                  // both at once
  CHECK(n_large({60, 46, 10, 1}) == 3);                 // the share, then both
  CHECK(n_large({50, 45, 10, 5}) == 3);                 // the share alone
  CHECK(n_large({50, 6, 6, 6}, {.alpha = 0.95}) == 1);  // the step alone
  CHECK(n_large({10, 10, 10, 10}) == 4);                // neither: all
  CHECK(n_large({7}) == 1);
  CHECK(n_large({50, 25, 5}, {.alpha = 0.5, .beta = 2.0}) == 1);
  CHECK(n_large({50, 30, 5}, {.alpha = 0.5, .beta = 2.0}) == 2);
}

TEST_CASE("groups that are apart are the clusters, whatever the seed") {
  RandomGenerator random(1);
  Matrix rows(400, 3);
  Matrix means(8, 3);
  for (std::size_t i = 0; i < 400; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      rows(i, j) = 1e6 + ((i % 8) >> j & 1U ? 100.0 : 0.0) + random.normal();
      means(i % 8, j) += rows(i, j) / 50.0;
    }
  }
  for (const freshet::Seed seed : {0U, 1U, 2U, 3U, 4U}) {
    const auto model = Cblof{}.fit(rows, seed);
    CHECK(model.n_large_clusters() == 8);
    for (std::size_t c = 0; c < 8; ++c)
      CHECK(score(model, {means(c, 0), means(c, 1), means(c, 2)}) < 1e-8);
  }
  CHECK(Cblof{.n_clusters = 20}.fit(rows, 3) == Cblof{.n_clusters = 20}.fit(rows, 3));
  CHECK_FALSE(Cblof{.n_clusters = 20}.fit(rows, 3) == Cblof{.n_clusters = 20}.fit(rows, 4));
}

TEST_CASE("every center is the mean of the rows that are nearest to it") {
  RandomGenerator random(2);
  for (const auto kind : {freshet::test::Kind::normal, freshet::test::Kind::far_from_zero}) {
    const Matrix rows = random_rows(kind, 60, 2, random);
    // So few rows that k-means ends when nothing changes any more.
    const auto model = Cblof{.n_clusters = 6}.fit(rows, 5);
    const Matrix centers = model.centers();
    Matrix sums(6, 2);
    std::vector<double> sizes(6);
    for (std::size_t i = 0; i < 60; ++i) {
      std::size_t nearest = 0;
      double least = std::numeric_limits<double>::infinity();
      for (std::size_t c = 0; c < 6; ++c) {
        const double distance = std::hypot(rows(i, 0) - centers(c, 0), rows(i, 1) - centers(c, 1));
        if (distance < least) nearest = c;
        least = std::min(least, distance);
      }
      ++sizes[nearest];
      for (std::size_t j = 0; j < 2; ++j) sums(nearest, j) += rows(i, j) - rows(0, j);
    }
    for (std::size_t c = 0; c < 6; ++c) {
      CHECK(sizes[c] == static_cast<double>(model.cluster_sizes()[c]));
      for (std::size_t j = 0; j < 2; ++j) {
        CHECK(centers(c, j) - rows(0, j) == Approx(sums(c, j) / sizes[c]).margin(2e-6));
      }
    }
  }
}

TEST_CASE("fewer rows that differ than clusters make fewer clusters") {
  const auto constant = Cblof{}.fit(Matrix(20, 2));
  CHECK(constant.n_clusters() == 1);
  CHECK(score(constant, {3.0, 4.0}) == Approx(5.0));
  CHECK(Cblof{}.fit(piles({{10, 0.0}, {9, 1.0}, {1, 7.0}})).n_clusters() == 3);
  CHECK(std::isfinite(score(Cblof{}.fit(piles({{10, -1e300}, {9, 1e300}})), {0.0})));
}

TEST_CASE("given centers stay where they are") {
  const Matrix centers = matrix({{5.0}, {0.0}});
  const auto model = Cblof{.n_clusters = 2}.fit(piles({{9, 1.0}, {1, 6.0}}), centers);
  CHECK(model.centers() == matrix({{0.0}, {5.0}}));
  CHECK(std::ranges::equal(model.cluster_sizes(), std::vector<std::size_t>{9, 1}));
  CHECK(score(model, {6.0}) == Approx(6.0));
  CHECK_THROWS_AS((Cblof{.n_clusters = 3}.fit(Matrix(9, 1), centers)), freshet::ConfigurationError);
}

TEST_CASE("shares of a CBLOF score sum to it, by column") {
  RandomGenerator random(3);
  for (const auto kind : freshet::test::all_kinds) {
    for (const bool use_weights : {false, true}) {
      const Matrix rows = random_rows(kind, 100, 4, random);
      const auto model = Cblof{.use_weights = use_weights}.fit(rows, 1);
      const Matrix others = random_rows(kind, 20, 4, random);
      for (std::size_t i = 0; i < others.n_rows(); ++i) {
        CHECK(explained(model, others.row(i)) == Approx(model.score(others.row(i))));
      }
    }
  }
  const auto model = Cblof{.n_clusters = 1}.fit(Matrix(5, 2));
  std::vector<double> shares(2);
  model.explain(std::vector{3.0, 4.0}, shares);
  CHECK(shares[0] == Approx(9.0 / 5.0));
  CHECK(shares[1] == Approx(16.0 / 5.0));
}

TEST_CASE("a CBLOF comes back from bytes, and none that could not score") {
  RandomGenerator random(4);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 50, 3, random);
  const auto model = Cblof{.use_weights = true}.fit(rows);
  CHECK(freshet::test::restored(model) == model);
  const int refused =
      freshet::test::refused_when_damaged(model, 3000, 40, random, [&](const CblofModel& read) {
        if (read.n_features() == 3) {
          CHECK(score(read, {0.0, 1.0, 2.0}) >= 0.0);
          CHECK(std::isfinite(score(read, {0.0, 1.0, 2.0})));
          CHECK(std::isfinite(explained(read, std::vector{0.0, 1.0, 2.0})));
        }
      });
  CHECK(refused > 100);
}

TEST_CASE("a CBLOF's parameters are checked, and that there are rows for the clusters") {
  const auto field_of = [](const Cblof& backend, std::size_t n_rows) {
    try {
      (void)backend.fit(Matrix(n_rows, 2));
    } catch (const freshet::ConfigurationError& error) {
      return "parameter " + error.field();
    } catch (const freshet::FitError& error) {
      return "rows for " + error.field();
    }
    return std::string("nothing");
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(field_of({}, 8) == "nothing");
  CHECK(field_of({}, 7) == "rows for n_clusters");
  CHECK(field_of({.n_clusters = 0}, 8) == "parameter n_clusters");
  CHECK(field_of({.n_clusters = 10'001}, 8) == "parameter n_clusters");
  CHECK(field_of({.alpha = 0.0}, 8) == "parameter alpha");
  CHECK(field_of({.alpha = 1.0}, 8) == "parameter alpha");
  CHECK(field_of({.alpha = nan}, 8) == "parameter alpha");
  CHECK(field_of({.beta = 1.0}, 8) == "parameter beta");
  CHECK(field_of({.beta = nan}, 8) == "parameter beta");
}
