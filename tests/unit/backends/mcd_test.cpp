#include "freshet/backends/mcd.hpp"

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

using freshet::Matrix;
using freshet::Mcd;
using freshet::McdModel;
using freshet::RandomGenerator;
using freshet::Seed;
using freshet::backendsdetail::chi_squared_cdf;
using freshet::backendsdetail::chi_squared_quantile;
using freshet::test::explained;
using freshet::test::Kind;
using freshet::test::matrix;
using freshet::test::random_rows;

static_assert(freshet::Backend<Mcd>);
static_assert(freshet::ExplainableModel<McdModel> && freshet::KeepsTrainingScores<McdModel>);

namespace {

double score(const McdModel& model, std::vector<double> row) { return model.score(row); }

// z' P z, from the inverse that Gauss and Jordan find.
double distance(const McdModel& model, freshet::RowView row) {
  const std::size_t n = model.n_features();
  Matrix left = model.covariance();
  Matrix inverse(n, n);
  for (std::size_t i = 0; i < n; ++i) inverse(i, i) = 1.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double pivot = left(i, i);
    for (std::size_t j = 0; j < n; ++j) {
      left(i, j) /= pivot;
      inverse(i, j) /= pivot;
    }
    for (std::size_t k = 0; k < n; ++k) {
      const double factor = left(k, i);
      if (k == i) continue;
      for (std::size_t j = 0; j < n; ++j) {
        left(k, j) -= factor * left(i, j);
        inverse(k, j) -= factor * inverse(i, j);
      }
    }
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      sum += (row[i] - model.location()[i]) * inverse(i, j) * (row[j] - model.location()[j]);
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("the chi-squared distribution is that of the tables") {
  CHECK(chi_squared_quantile(0.975, 1) == Approx(5.023886187));
  CHECK(chi_squared_quantile(0.975, 2) == Approx(7.377758908));
  CHECK(chi_squared_quantile(0.5, 3) == Approx(2.365973884));
  CHECK(chi_squared_quantile(0.95, 10) == Approx(18.30703805));
  CHECK(chi_squared_quantile(0.975, 100) == Approx(129.5611972));
  CHECK(chi_squared_cdf(3000.0, 3000) == Approx(0.5034334));  // where exp(-x / 2) is 0
  CHECK(chi_squared_cdf(0.0, 3) == 0.0);
  CHECK(std::isinf(chi_squared_quantile(1.0, 4)));
}

TEST_CASE("a score is the squared Mahalanobis distance, whatever the number of columns") {
  RandomGenerator random(1);
  for (const std::size_t n : {1U, 2U, 7U, 8U, 9U, 17U}) {
    const Matrix rows = random_rows(Kind::normal, 200, n, random);
    const auto model = Mcd{}.fit(rows, 1);
    for (std::size_t i = 0; i < 20; ++i) {
      CHECK(model.score(rows.row(i)) == Approx(distance(model, rows.row(i))));
      CHECK(model.training_scores()[i] == model.score(rows.row(i)));
    }
  }
}

TEST_CASE("outliers move neither the centre nor the covariance") {
  // More rows than one group, than all groups, and fewer.
  for (const std::size_t n : {100U, 700U, 2500U}) {
    RandomGenerator random(n);
    Matrix rows(n, 3);
    for (std::size_t i = 0; i < n; ++i) {
      const double common = random.normal();
      for (std::size_t j = 0; j < 3; ++j) rows(i, j) = 5.0 + common + random.normal();
      if (i % 5 < 2) {
        for (std::size_t j = 0; j < 3; ++j) rows(i, j) = 100.0 + 0.1 * random.normal();
      }
    }
    const auto model = Mcd{}.fit(rows, 3);
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(model.location()[j] == Approx(5.0).margin(0.6));
      CHECK(model.covariance()(j, j) > 1.0);
      CHECK(model.covariance()(j, j) < 4.0);
      CHECK(model.covariance()(j, (j + 1) % 3) > 0.3);
    }
    CHECK(model.training_scores()[0] > 1000.0);
    CHECK(score(model, {7.0, 7.0, 7.0}) < score(model, {7.0, 3.0, 5.0}));  // against the others
  }
}

TEST_CASE("parts of a distance sum to it and point to the column") {
  RandomGenerator random(5);
  for (const auto kind : freshet::test::all_kinds) {
    const Matrix rows = random_rows(kind, 300, 6, random);
    const auto model = Mcd{}.fit(rows, 7);
    const Matrix others = random_rows(kind, 20, 6, random);
    for (std::size_t i = 0; i < others.n_rows(); ++i) {
      const double expected = model.score(others.row(i));
      CHECK(explained(model, others.row(i)) == Approx(expected).margin(1e-9));
    }
  }
  const auto model = Mcd{}.fit(random_rows(Kind::normal, 500, 4, random));
  std::vector<double> contributions(4);
  model.explain(std::vector{0.0, 0.0, 9.0, 0.0}, contributions);
  CHECK(contributions[2] > 0.9 * score(model, {0.0, 0.0, 9.0, 0.0}));
}

TEST_CASE("a centre at zero is kept") {
  RandomGenerator random(6);
  Matrix rows = random_rows(Kind::normal, 300, 2, random);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) rows(i, 0) += 1.0;
  const auto model = Mcd{.assume_centered = true}.fit(rows);
  CHECK(model.location()[0] == 0.0);
  CHECK(model.covariance()(0, 0) == Approx(2.2).margin(0.4));  // the variance and the square of 1
  CHECK(Mcd{}.fit(rows).covariance()(0, 0) == Approx(1.1).margin(0.3));
}

TEST_CASE("columns that do not vary, or that others determine, add nothing") {
  RandomGenerator random(8);
  const Matrix plain = random_rows(Kind::normal, 300, 2, random);
  Matrix rows(300, 5);
  for (std::size_t i = 0; i < 300; ++i) {
    rows(i, 0) = 4.0;
    rows(i, 1) = plain(i, 0);
    rows(i, 2) = 3.0 * plain(i, 0) - 1.0;
    rows(i, 3) = plain(i, 1);
    rows(i, 4) = plain(i, 0) + plain(i, 1);
  }
  // Centred, the covariance of rows on a plane has fewer dimensions than columns.
  const auto model = Mcd{.support_fraction = 0.6}.fit(rows, 2);
  const auto expected = Mcd{.support_fraction = 0.6}.fit(plain, 2);
  for (std::size_t i = 0; i < 300; ++i) {
    // The tail of a distribution of four columns is cut where that of two is not yet.
    CHECK(model.training_scores()[i] == Approx(expected.training_scores()[i]).epsilon(0.5));
  }
  CHECK(score(model, {9.0, 1.0, 2.0, 0.5, 1.5}) == score(model, {4.0, 1.0, 2.0, 0.5, 1.5}));
  CHECK(model.precision()(0, 0) == 0.0);
  CHECK(model.precision()(2, 2) == 0.0);
}

TEST_CASE("there is a model of any rows") {
  for (const std::size_t n : {1U, 2U, 300U}) {
    const auto model = Mcd{}.fit(Matrix(n, 3));  // zeros
    CHECK(score(model, {1.0, -1.0, 1e100}) == 0.0);
  }
  // More than half of the rows are the same: the rest gives the scale.
  Matrix idle(100, 2);
  for (std::size_t i = 0; i < 20; ++i) {
    idle(i, 0) = static_cast<double>(i);
    idle(i, 1) = static_cast<double>(i * i % 7);
  }
  const auto model = Mcd{}.fit(idle);
  CHECK(score(model, {50.0, 3.0}) > score(model, {1.0, 1.0}));
  // Values that cannot be squared without care.
  for (const double unit : {1e100, 1e-30}) {
    RandomGenerator random(4);
    Matrix rows = random_rows(Kind::heavy_tailed, 50, 2, random);
    for (std::size_t i = 0; i < 50; ++i) {
      for (double& value : rows.row(i)) value = std::clamp(value, -1.0, 1.0) * unit;
    }
    const double far = score(Mcd{}.fit(rows), {4e100, -4e100});
    CHECK(std::isfinite(far));
    CHECK(far > 0.0);
  }
}

TEST_CASE("a seed decides the search, which does not depend on units") {
  RandomGenerator random(8);
  const Matrix rows = random_rows(Kind::heavy_tailed, 700, 3, random);
  CHECK(Mcd{}.fit(rows, 4) == Mcd{}.fit(rows, 4));
  Matrix scaled = rows;
  for (std::size_t i = 0; i < rows.n_rows(); ++i) scaled(i, 1) *= 1024.0;
  const auto model = Mcd{}.fit(rows, 4);
  const auto of_scaled = Mcd{}.fit(scaled, 4);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    CHECK(model.training_scores()[i] == Approx(of_scaled.training_scores()[i]));
  }
}

TEST_CASE("an MCD comes back from bytes, and none that could not be scored with") {
  RandomGenerator random(9);
  const Matrix rows = random_rows(Kind::with_constants, 100, 3, random);
  const auto model = Mcd{}.fit(rows);
  CHECK(freshet::test::restored(model) == model);
  const int refused =
      freshet::test::refused_when_damaged(model, 3000, 40, random, [&](const McdModel& read) {
        if (read.n_features() == 3) CHECK(score(read, {0.0, 1.0, 2.0}) >= 0.0);
      });
  CHECK(refused > 100);
}

TEST_CASE("an MCD of a column that is mostly two values knows what is far") {
  RandomGenerator random(21);
  for (Seed seed = 0; seed < 500; ++seed) {
    Matrix rows(50, 1);
    for (std::size_t i = 0; i < 50; ++i) {
      rows(i, 0) = (random.uniform() < 0.5 ? 0.0 : 1.0) + (i % 7 == 0 ? 1e-3 : 0.0);
    }
    const auto model = Mcd{}.fit(rows, seed);
    REQUIRE(std::isfinite(model.covariance()(0, 0)));
    REQUIRE(score(model, {50.0}) > score(model, {1.5}));
  }
  const Matrix rows = freshet::test::matrix({{0}, {0}, {0}, {0}, {0}, {1e-9}, {1}, {1}, {1}, {1}});
  CHECK(score(Mcd{}.fit(rows), {50.0}) > 100.0);
}

TEST_CASE("an MCD needs a row") { CHECK_THROWS_AS(Mcd{}.fit(Matrix(0, 2)), freshet::FitError); }

TEST_CASE("an MCD's parameters are checked") {
  const auto field_of = [](const Mcd& backend) {
    try {
      backend.validate();
    } catch (const freshet::ConfigurationError& error) {
      return error.field();
    }
    return std::string("nothing");
  };
  CHECK(field_of({}) == "nothing");
  CHECK(field_of({.support_fraction = 1.0}) == "nothing");
  for (const double wrong : {0.0, -0.5, 1.01, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK(field_of({.support_fraction = wrong}) == "support_fraction");
  }
}
