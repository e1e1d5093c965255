#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "freshet/backends/copod.hpp"
#include "freshet/backends/ecod.hpp"
#include "freshet/core/concepts.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"

using freshet::Copod;
using freshet::Ecod;
using freshet::Matrix;
using freshet::MatrixView;
using freshet::RandomGenerator;
using freshet::RowView;
using freshet::Variant;
using freshet::test::explained;
using freshet::test::matrix;

static_assert(freshet::Backend<Ecod> && freshet::Backend<Copod>);
static_assert(freshet::ExplainableModel<freshet::EcodModel>);
static_assert(freshet::KeepsTrainingScores<freshet::CopodModel>);

namespace {

struct Column {
  double left;
  double right;
  int skewness;
};

// -log of the shares and the skewness of `sample`, of which `x` is one value, counted one by one.
Column count(const std::vector<double>& sample, double x) {
  const auto n = static_cast<long double>(sample.size());
  long double mean = 0;
  for (const double value : sample) mean += value / n;
  long double second = 0;
  long double third = 0;
  long double magnitude = 0;
  double at_most = 0;
  double at_least = 0;
  for (const double value : sample) {
    const long double deviation = value - mean;
    second += deviation * deviation / n;
    third += deviation * deviation * deviation;
    magnitude += std::abs(deviation * deviation * deviation);
    at_most += value <= x ? 1 : 0;
    at_least += value >= x ? 1 : 0;
  }
  const long double resolution = std::numeric_limits<double>::epsilon() * mean;
  const bool is_zero = second <= resolution * resolution || std::abs(third) <= 1e-13L * magnitude;
  const auto size = static_cast<double>(sample.size());
  return {-std::log(at_most / size), -std::log(at_least / size),
          is_zero ? 0 : (third > 0 ? 1 : -1)};
}

std::vector<double> column_of(MatrixView rows, std::size_t j) {
  std::vector<double> values;
  for (std::size_t i = 0; i < rows.n_rows(); ++i) values.push_back(rows(i, j));
  return values;
}

// PyOD's definition for a new row, O(columns · rows).
struct Reference {
  double ecod = 0;
  double copod = 0;
};
Reference reference(MatrixView rows, RowView row) {
  Reference sums;
  for (std::size_t j = 0; j < row.size(); ++j) {
    std::vector<double> sample = column_of(rows, j);
    sample.push_back(row[j]);
    const auto [left, right, skewness] = count(sample, row[j]);
    const double skewed = (skewness <= 0 ? left : 0) + (skewness >= 0 ? right : 0);
    sums.ecod += std::max({left, right, skewed});
    sums.copod += std::max(skewed, (left + right) / 2);
  }
  return sums;
}

}  // namespace

TEST_CASE("ECOD adds the larger tail of each column") {
  const auto model = Ecod{}.fit(matrix({{1}, {2}, {3}, {10}}));
  CHECK(model.n_features() == 1);
  const std::vector<double> scores(model.training_scores().begin(), model.training_scores().end());
  CHECK(scores[0] == Approx(std::log(4)));
  CHECK(scores[1] == Approx(std::log(4.0 / 2)));
  CHECK(scores[2] == Approx(std::log(4.0 / 2)));
  CHECK(scores[3] == Approx(std::log(4)));
  // A new row is one of five.
  CHECK(model.score(std::vector{11.0}) == Approx(std::log(5)));
  CHECK(model.score(std::vector{10.0}) == Approx(std::log(5.0 / 2)));
  CHECK(model.score(std::vector{2.5}) == Approx(std::log(5.0 / 3)));
}

TEST_CASE("ECOD adds both tails of a column that is not skewed") {
  const auto model = Ecod{}.fit(matrix({{1}, {2}, {3}}));
  CHECK(model.training_scores()[0] == Approx(std::log(3)));
  CHECK(model.training_scores()[1] == Approx(2 * std::log(1.5)));
  CHECK(model.score(std::vector{2.0}) == Approx(2 * std::log(4.0 / 3)));
}

TEST_CASE("COPOD takes the skewed tail or the mean of both") {
  const auto model = Copod{}.fit(matrix({{1}, {2}, {3}, {10}}));
  CHECK(model.training_scores()[0] == Approx(std::log(4) / 2));
  CHECK(model.training_scores()[3] == Approx(std::log(4)));
  CHECK(model.score(std::vector{0.0}) == Approx(std::log(5) / 2));
  CHECK(model.score(std::vector{11.0}) == Approx(std::log(5)));
}

TEST_CASE("Scores equal those of counting the new row among the training rows") {
  const auto kind = GENERATE(
      from_range(std::begin(freshet::test::all_kinds), std::end(freshet::test::all_kinds)));
  const auto n_rows = GENERATE(as<std::size_t>{}, 1, 2, 10, 101);
  const auto n_columns = GENERATE(as<std::size_t>{}, 1, 5, 8, 19);
  CAPTURE(static_cast<int>(kind), n_rows, n_columns);
  RandomGenerator random(n_rows * 100 + n_columns);
  const Matrix rows = random_rows(kind, n_rows, n_columns, random);
  const auto ecod = Ecod{}.fit(rows);
  const auto copod = Copod{}.fit(rows);
  Matrix queries = random_rows(kind, 20, n_columns, random);
  std::copy_n(rows.row(0).begin(), n_columns, queries.row(0).begin());
  for (std::size_t i = 0; i < queries.n_rows(); ++i) {
    const RowView row = queries.view().row(i);
    const Reference expected = reference(rows, row);
    CHECK(ecod.score(row) == Approx(expected.ecod).epsilon(1e-12).margin(1e-12));
    CHECK(copod.score(row) == Approx(expected.copod).epsilon(1e-12).margin(1e-12));
    CHECK(explained(ecod, row) == Approx(ecod.score(row)).epsilon(1e-12));
    CHECK(explained(copod, row) == Approx(copod.score(row)).epsilon(1e-12));
  }
}

TEST_CASE("A value far out scores at least as high as one nearer") {
  RandomGenerator random(8);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 200, 1, random);
  const auto model = Ecod{}.fit(rows);
  double before = model.score(std::vector{0.5});
  for (const double x : {1.0, 2.0, 3.0, 1e3, 1e100}) {
    const double score = model.score(std::vector{x});
    CHECK(score >= before);
    before = score;
  }
  CHECK(before == Approx(std::log(201)));
}

TEST_CASE("A single constant row or column scores zero until something differs") {
  const auto model = Ecod{}.fit(matrix({{0.1, 1e9}}));
  CHECK(model.training_scores()[0] == 0.0);
  CHECK(model.score(std::vector{0.1, 1e9}) == 0.0);
  CHECK(model.score(std::vector{0.2, 1e9}) == Approx(std::log(2)));
  const auto constant = Copod{}.fit(Matrix(50, 3));
  CHECK(constant.score(std::vector{0.0, 0.0, 0.0}) == 0.0);
  CHECK(constant.score(std::vector{-0.0, 0.0, 0.0}) == 0.0);
  CHECK(constant.score(std::vector{0.0, -1e-9, 0.0}) == Approx(std::log(51)));
}

TEST_CASE("The paper's score is the largest of three sums over the columns") {
  const Matrix rows = matrix({{1, -1}, {2, -2}, {3, -3}, {10, -10}});
  const auto model = Ecod{Variant::paper}.fit(rows);
  CHECK(model.score(std::vector{10.0, -1.0}) == Approx(2 * std::log(4)));   // right tails
  CHECK(model.score(std::vector{10.0, -10.0}) == Approx(2 * std::log(4)));  // skewed tails
  CHECK(model.score(std::vector{1.0, -10.0}) == Approx(2 * std::log(4)));   // left tails
  CHECK(model.score(std::vector{1.0, -1.0}) == Approx(std::log(4)));
  // Outside the training range a tail is empty; it counts as 1 of 5.
  CHECK(model.score(std::vector{11.0, -2.5}) == Approx(std::log(5) + std::log(2)));
}

TEST_CASE("The paper's training scores are those of the rows themselves") {
  const auto n_columns = GENERATE(as<std::size_t>{}, 1, 5, 20);
  RandomGenerator random(n_columns);
  const Matrix rows = random_rows(freshet::test::Kind::tied, 60, n_columns, random);
  const auto model = Ecod{Variant::paper}.fit(rows);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    const RowView row = rows.view().row(i);
    CHECK(model.score(row) == model.training_scores()[i]);
    CHECK(explained(model, row) == Approx(model.score(row)));
  }
}

TEST_CASE("In the paper's variant ECOD and COPOD are the same") {
  RandomGenerator random(5);
  const Matrix rows = random_rows(freshet::test::Kind::heavy_tailed, 80, 6, random);
  const auto ecod = Ecod{Variant::paper}.fit(rows);
  const auto copod = Copod{Variant::paper}.fit(rows);
  const Matrix queries = random_rows(freshet::test::Kind::heavy_tailed, 50, 6, random);
  for (std::size_t i = 0; i < queries.n_rows(); ++i) {
    CHECK(ecod.score(queries.view().row(i)) == copod.score(queries.view().row(i)));
  }
}

TEST_CASE("Overlapping rows train like their copy") {
  RandomGenerator random(6);
  const Matrix series = random_rows(freshet::test::Kind::normal, 120, 2, random);
  const MatrixView shingles = series.view().shingled(4);
  const auto variant = GENERATE(Variant::pyod, Variant::paper);
  CHECK(Ecod{variant}.fit(shingles) == Ecod{variant}.fit(Matrix(shingles)));
}

TEST_CASE("Training is pure and models survive a trip through bytes") {
  const auto variant = GENERATE(Variant::pyod, Variant::paper);
  RandomGenerator random(7);
  const Matrix rows = random_rows(freshet::test::Kind::tied, 40, 3, random);
  const Copod backend{variant};
  const auto model = backend.fit(rows, 1);
  CHECK(model == backend.fit(rows, 2));
  const auto copy = freshet::test::restored(model);
  CHECK(copy == model);
  CHECK(copy.score(rows.view().row(3)) == model.score(rows.view().row(3)));
}
