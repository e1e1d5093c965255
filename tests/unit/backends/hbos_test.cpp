#include "freshet/backends/hbos.hpp"

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
using freshet::FitError;
using freshet::Hbos;
using freshet::HbosModel;
using freshet::Matrix;
using freshet::RandomGenerator;
using freshet::RowView;
using freshet::test::explained;
using freshet::test::matrix;

static_assert(freshet::Backend<Hbos>);
static_assert(freshet::ExplainableModel<HbosModel> && freshet::KeepsTrainingScores<HbosModel>);

namespace {

// PyOD's definition, by a search of the edges.
double reference(const HbosModel& model, const Hbos& backend, RowView row) {
  double sum = 0;
  for (std::size_t j = 0; j < row.size(); ++j) {
    const auto edges = model.bin_edges(j);
    const auto densities = model.densities(j);
    const auto score = [&](double density) { return std::log2(density + backend.alpha); };
    const double emptiest = score(*std::min_element(densities.begin(), densities.end()));
    const std::size_t last = densities.size();
    const auto place = static_cast<std::size_t>(
        std::lower_bound(edges.begin(), edges.end(), row[j]) - edges.begin());
    if (place == 0) {
      const bool near = edges[0] - row[j] <= (edges[1] - edges[0]) * backend.tol;
      sum += near ? score(densities[0]) : emptiest;
    } else if (place == last + 1) {
      const bool near = row[j] - edges[last] <= (edges[last] - edges[last - 1]) * backend.tol;
      sum += near ? score(densities[last - 1]) : emptiest;
    } else {
      sum += score(densities[place - 1]);
    }
  }
  return -sum;
}

}  // namespace

TEST_CASE("HBOS scores the density of a value's bin") {
  const auto model = Hbos{.n_bins = 4}.fit(matrix({{0}, {0}, {0}, {1}, {2}, {4}}));
  const double crowded = -std::log2(0.5 + 0.1);
  const double sparse = -std::log2(1.0 / 6 + 0.1);
  const auto score = [&](double x) { return model.score(std::vector{x}); };
  CHECK(model.bin_edges(0)[2] == 2.0);
  CHECK(model.densities(0)[0] == Approx(0.5));
  CHECK(score(0.0) == Approx(crowded));
  CHECK(score(1.0) == Approx(crowded));  // on an edge: the lower bin
  CHECK(score(1.5) == Approx(sparse));
  CHECK(score(-0.5) == Approx(crowded));  // within half a bin of the first
  CHECK(score(-0.6) == Approx(sparse));   // beyond: like the emptiest bin
  CHECK(score(4.5) == Approx(sparse));
  CHECK(score(1e100) == Approx(sparse));
  CHECK(model.training_scores()[3] == Approx(crowded));
}

TEST_CASE("HBOS scores equal those of a search of the edges") {
  const auto kind = GENERATE(
      from_range(std::begin(freshet::test::all_kinds), std::end(freshet::test::all_kinds)));
  const auto n_columns = GENERATE(as<std::size_t>{}, 1, 5, 20);
  const auto n_bins = GENERATE(as<BinCount>{}, std::size_t{10}, BinCount::automatic());
  RandomGenerator random(n_columns);
  const Matrix rows = random_rows(kind, 150, n_columns, random);
  const Hbos backend{.n_bins = n_bins, .alpha = 0.2, .tol = 0.3};
  const auto model = backend.fit(rows);
  CHECK(model.n_features() == n_columns);
  const Matrix queries = random_rows(kind, 50, n_columns, random);
  for (std::size_t i = 0; i < queries.n_rows(); ++i) {
    const RowView row = queries.view().row(i);
    CHECK(model.score(row) == Approx(reference(model, backend, row)).epsilon(1e-12));
    CHECK(explained(model, row) == Approx(model.score(row)).epsilon(1e-12));
  }
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    CHECK(model.training_scores()[i] == model.score(rows.view().row(i)));
  }
}

TEST_CASE("HBOS densities integrate to one") {
  RandomGenerator random(2);
  const auto model = Hbos{}.fit(random_rows(freshet::test::Kind::normal, 200, 3, random));
  for (std::size_t j = 0; j < 3; ++j) {
    double area = 0;
    for (std::size_t bin = 0; bin < 10; ++bin) {
      area += model.densities(j)[bin] * (model.bin_edges(j)[bin + 1] - model.bin_edges(j)[bin]);
    }
    CHECK(area == Approx(1));
  }
}

TEST_CASE("HBOS parameters out of range are refused") {
  const Matrix rows = matrix({{1}, {2}});
  CHECK_THROWS_AS(Hbos{.n_bins = 1}.fit(rows), ConfigurationError);
  CHECK_THROWS_AS(Hbos{.alpha = 0.0}.fit(rows), ConfigurationError);
  CHECK_THROWS_AS(Hbos{.alpha = 1.0}.validate(), ConfigurationError);
  CHECK_THROWS_AS(Hbos{.tol = 1.0}.validate(), ConfigurationError);
  CHECK_THROWS_AS(Hbos{.tol = std::nan("")}.validate(), ConfigurationError);
  CHECK_NOTHROW(Hbos{.n_bins = BinCount::automatic()}.validate());
}

TEST_CASE("HBOS names the column whose densities are infinite") {
  const auto fit_column = [](double first, double second) {
    std::ignore = Hbos{}.fit(matrix({{0, first}, {1, second}}));
  };
  try {
    fit_column(0.0, 1e-310);
    FAIL("no error");
  } catch (const FitError& error) {
    CHECK(error.column() == 1U);
    CHECK_THAT(error.what(), Catch::Matchers::ContainsSubstring("column 1"));
  }
  CHECK_NOTHROW(fit_column(1.0, 1.0));
  CHECK_NOTHROW(fit_column(1.0, std::nextafter(1.0, 2.0)));
}

TEST_CASE("HBOS training is pure and its models survive a trip through bytes") {
  RandomGenerator random(4);
  const Matrix series = random_rows(freshet::test::Kind::normal, 90, 1, random);
  const auto shingles = series.view().shingled(3);
  const auto model = Hbos{}.fit(shingles, 1);
  CHECK(model == Hbos{}.fit(Matrix(shingles), 2));
  CHECK(freshet::test::restored(model) == model);
}
