#include "freshet/backends/loda.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <tuple>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"

using freshet::BinCount;
using freshet::ConfigurationError;
using freshet::Loda;
using freshet::LodaModel;
using freshet::Matrix;
using freshet::RandomGenerator;
using freshet::RowView;
using freshet::Variant;
using freshet::test::explained;
using freshet::test::matrix;

static_assert(freshet::Backend<Loda>);
static_assert(freshet::ExplainableModel<LodaModel> && freshet::KeepsTrainingScores<LodaModel>);

namespace {

// Both definitions, by dense projections and a search of the limits.
double reference(const LodaModel& model, Variant variant, RowView row) {
  const Matrix projections = model.projections();
  const auto n_cuts = static_cast<double>(model.n_cuts());
  double sum = 0;
  for (std::size_t cut = 0; cut < model.n_cuts(); ++cut) {
    double projected = 0;
    for (std::size_t j = 0; j < row.size(); ++j) projected += projections(cut, j) * row[j];
    const auto limits = model.limits(cut);
    const auto histogram = model.histogram(cut);
    const std::size_t last = histogram.size() - 1;
    if (variant == Variant::pyod) {
      const auto known = limits.first(last);
      const auto bin = std::lower_bound(known.begin(), known.end(), projected) - known.begin();
      sum -= std::log(histogram[static_cast<std::size_t>(bin)]) / n_cuts;
    } else if (projected < limits.front() || projected > limits.back()) {
      sum -= std::log(1e-12 / 102);  // of an empty bin, 102 rows
    } else {
      const auto above = std::upper_bound(limits.begin(), limits.end(), projected);
      const auto bin = static_cast<std::size_t>(above - limits.begin()) - 1;
      sum -= std::log(histogram[std::min(bin, last)]);
    }
  }
  return sum / n_cuts;
}

}  // namespace

TEST_CASE("LODA as PyOD has it looks one bin too far up") {
  const Loda backend{.n_bins = 4, .n_random_cuts = 1};
  const auto model = backend.fit(matrix({{0}, {0}, {0}, {1}, {2}, {4}}), matrix({{1}}));
  const auto score = [&](double x) { return model.score(std::vector{x}); };
  CHECK(model.histogram(0)[0] == Approx(0.5));
  CHECK(model.limits(0)[1] == 1.0);
  CHECK(score(0.0) == Approx(-std::log(0.5)));
  CHECK(score(-1.0) == Approx(-std::log(0.5)));
  CHECK(score(0.5) == Approx(-std::log(1.0 / 6)));
  CHECK(score(4.0) == Approx(-std::log(1.0 / 6)));
  CHECK(score(99.0) == Approx(-std::log(1.0 / 6)));
}

TEST_CASE("LODA as PyOD has it divides by the number of projections twice") {
  const Matrix rows = matrix({{0}, {0}, {0}, {1}, {2}, {4}});
  const Loda backend{.n_bins = 4, .n_random_cuts = 2};
  const auto model = backend.fit(rows, matrix({{1}, {1}}));
  CHECK(model.score(std::vector{0.0}) == Approx(-std::log(0.5) / 2));
}

TEST_CASE("LODA as published takes a value's own bin, and an empty one outside") {
  const Loda backend{.n_bins = 4, .n_random_cuts = 2, .variant = Variant::paper};
  const Matrix rows = matrix({{0}, {0}, {0}, {1}, {2}, {4}});
  const auto model = backend.fit(rows, matrix({{1}, {1}}));
  const auto score = [&](double x) { return model.score(std::vector{x}); };
  CHECK(score(0.0) == Approx(-std::log(0.5)));
  CHECK(score(0.5) == Approx(-std::log(0.5)));
  CHECK(score(1.0) == Approx(-std::log(1.0 / 6)));
  CHECK(score(4.0) == Approx(-std::log(1.0 / 6)));
  CHECK(score(-0.1) == Approx(-std::log(1e-12 / 6)));
  CHECK(score(4.1) == Approx(-std::log(1e-12 / 6)));
}

TEST_CASE("LODA scores equal those of a search of the limits") {
  const auto kind = GENERATE(
      from_range(std::begin(freshet::test::all_kinds), std::end(freshet::test::all_kinds)));
  const auto variant = GENERATE(Variant::pyod, Variant::paper);
  const auto n_columns = GENERATE(as<std::size_t>{}, 1, 5, 40);
  const auto n_bins = GENERATE(as<BinCount>{}, std::size_t{10}, BinCount::automatic());
  CAPTURE(static_cast<int>(kind), static_cast<int>(variant), n_columns);
  RandomGenerator random(n_columns);
  const Matrix rows = random_rows(kind, 102, n_columns, random);
  const auto model = Loda{.n_bins = n_bins, .n_random_cuts = 30, .variant = variant}.fit(rows, 7);
  CHECK(model.n_features() == n_columns);
  CHECK(model.n_cuts() == 30);
  Matrix queries = random_rows(kind, 40, n_columns, random);
  for (std::size_t i = 0; i < queries.n_rows(); ++i) {
    // Moved off the training values, because those on a limit fall as rounding decides.
    for (double& x : queries.row(i)) x += 0.01 * random.normal();
    const RowView row = queries.view().row(i);
    CHECK(model.score(row) == Approx(reference(model, variant, row)).epsilon(1e-9));
    CHECK(explained(model, row) == Approx(model.score(row)).epsilon(1e-12));
  }
}

TEST_CASE("LODA's training scores are those of the rows, off the limits") {
  RandomGenerator random(9);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 101, 3, random);
  const auto variant = GENERATE(Variant::pyod, Variant::paper);
  const auto model = Loda{.variant = variant}.fit(rows, 1);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    CHECK(model.training_scores()[i] == Approx(model.score(rows.view().row(i))).epsilon(1e-12));
  }
}

TEST_CASE("LODA draws normal weights for the root of the number of columns") {
  RandomGenerator random(3);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 30, 10, random);
  const Matrix projections = Loda{.n_random_cuts = 500}.fit(rows, 5).projections();
  double squares = 0;
  std::vector<int> used(10);
  for (std::size_t cut = 0; cut < 500; ++cut) {
    std::size_t n_used = 0;
    for (std::size_t j = 0; j < 10; ++j) {
      const double weight = projections(cut, j);
      n_used += weight != 0.0 ? 1 : 0;
      used[j] += weight != 0.0 ? 1 : 0;
      squares += weight * weight;
    }
    CHECK(n_used == 3);
  }
  CHECK(squares / 1500 == Approx(1).margin(0.15));
  for (const int count : used) CHECK(count == Approx(150).margin(60));
}

TEST_CASE("LODA's explanation shares each projection among its columns") {
  // One projection; the second column stands at its mean, the third has no weight.
  const Matrix rows = matrix({{0, 1, 0}, {2, 3, 9}, {4, 5, 1}});
  const auto model = Loda{.n_bins = 2, .n_random_cuts = 1}.fit(rows, matrix({{1, 2, 0}}));
  std::vector<double> contributions(3);
  const std::vector<double> row{10, 3, 7};
  model.explain(row, contributions);
  CHECK(contributions == std::vector<double>{model.score(row), 0, 0});
  const std::vector<double> mean{2, 3, 7};
  model.explain(mean, contributions);
  CHECK(contributions[0] == Approx(model.score(mean) / 2));
  CHECK(contributions[1] == contributions[0]);
  CHECK(contributions[2] == 0.0);
}

TEST_CASE("A projection without weights finds every row alike") {
  const Matrix rows = matrix({{0, 1}, {2, 3}, {4, 5}});
  const auto model = Loda{.n_random_cuts = 1}.fit(rows, matrix({{0, 0}}));
  CHECK(model.score(rows.view().row(0)) == model.score(rows.view().row(2)));
  CHECK(explained(model, rows.view().row(1)) == Approx(model.score(rows.view().row(1))));
}

TEST_CASE("Constant columns do not keep LODA from training") {
  // PyOD gives up on most of these, because it adds in different orders for different rows.
  const auto n_rows = GENERATE(as<std::size_t>{}, 9, 10, 11, 12);
  Matrix rows(n_rows, 13);
  for (std::size_t i = 0; i < n_rows; ++i) {
    for (std::size_t j = 0; j < 13; ++j) rows(i, j) = 0.1 * static_cast<double>(j + 1);
  }
  const auto variant = GENERATE(Variant::pyod, Variant::paper);
  LodaModel model;
  CHECK_NOTHROW(model = Loda{.variant = variant}.fit(rows, 11));
  CHECK(std::isfinite(model.score(rows.view().row(0))));
}

TEST_CASE("LODA parameters out of range are refused") {
  const Matrix rows = matrix({{1, 2}, {2, 4}});
  CHECK_THROWS_AS(Loda{.n_bins = 1}.fit(rows), ConfigurationError);
  CHECK_THROWS_AS(Loda{.n_random_cuts = 0}.fit(rows), ConfigurationError);
  const Loda two{.n_random_cuts = 2};
  const double nan = std::nan("");
  CHECK_THROWS_AS(two.fit(rows, matrix({{1, 2}})), ConfigurationError);
  CHECK_THROWS_AS(two.fit(rows, matrix({{1}, {2}})), ConfigurationError);
  CHECK_THROWS_AS(two.fit(rows, matrix({{1, 2}, {nan, 1}})), ConfigurationError);
  CHECK_NOTHROW(two.fit(rows, matrix({{1, 2}, {3, 1}})));
}

TEST_CASE("LODA depends on the seed alone and survives a trip through bytes") {
  RandomGenerator random(4);
  const Matrix series = random_rows(freshet::test::Kind::normal, 90, 2, random);
  const auto shingles = series.view().shingled(3);
  const auto variant = GENERATE(Variant::pyod, Variant::paper);
  const Loda backend{.n_random_cuts = 20, .variant = variant};
  const auto model = backend.fit(shingles, 1);
  CHECK(model == backend.fit(Matrix(shingles), 1));
  CHECK_FALSE(model == backend.fit(shingles, 2));
  CHECK(backend.fit(shingles, model.projections()) == model);
  const auto copy = freshet::test::restored(model);
  CHECK(copy == model);
  CHECK(copy.score(shingles.row(3)) == model.score(shingles.row(3)));
}
