#include "freshet/backends/one_class_svm.hpp"

#include <cmath>
#include <cstddef>
#include <limits>
#include <stop_token>
#include <string>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/stream/training.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"

using freshet::Kernel;
using freshet::KernelFactor;
using freshet::Matrix;
using freshet::OneClassSvm;
using freshet::OneClassSvmModel;
using freshet::RandomGenerator;
using freshet::backendsdetail::KernelFunction;
using freshet::backendsdetail::OneClassSolver;
using freshet::test::explained;
using freshet::test::Kind;
using freshet::test::matrix;
using freshet::test::random_rows;

static_assert(freshet::Backend<OneClassSvm>);
static_assert(freshet::ExplainableModel<OneClassSvmModel> &&
              freshet::KeepsTrainingScores<OneClassSvmModel>);

namespace {

constexpr Kernel all_kernels[] = {Kernel::rbf, Kernel::linear, Kernel::poly, Kernel::sigmoid};

double score(const OneClassSvmModel& model, std::vector<double> row) { return model.score(row); }

}  // namespace

TEST_CASE("a one-class SVM needs a row") {
  CHECK_THROWS_AS(freshet::OneClassSvm{}.fit(freshet::Matrix(0, 2)), freshet::FitError);
}

TEST_CASE("two rows make the boundary that one computes by hand") {
  // Of two rows both have the coefficient 1/2, by symmetry, and the boundary goes through both.
  const auto model = OneClassSvm{.gamma = 1.0, .nu = 0.5}.fit(matrix({{-1.0}, {1.0}}));
  const double offset = 0.5 * (1.0 + std::exp(-4.0));
  CHECK(model.offset() == Approx(offset));
  CHECK(score(model, {1.0}) == Approx(0.0).margin(1e-12));
  CHECK(score(model, {0.0}) == Approx(offset - std::exp(-1.0)));
  CHECK(score(model, {1e6}) == Approx(offset));
  CHECK(model.n_support_vectors() == 2);
}

TEST_CASE("a solution keeps to its constraints and to the conditions of optimality") {
  RandomGenerator random(2);
  const Matrix rows = random_rows(Kind::normal, 150, 3, random);
  for (const double nu : {0.01, 0.3, 0.77, 1.0}) {
    const KernelFunction kernel{.gamma = 0.4};
    const auto solution = OneClassSolver(rows, kernel, nu).solve(1e-6, 1'000'000);
    double sum = 0.0;
    double worst = 0.0;
    for (std::size_t i = 0; i < rows.n_rows(); ++i) {
      const double a = solution.coefficients[i];
      CHECK((a >= 0.0 && a <= 1.0));
      sum += a;
      double value = -solution.offset;
      for (std::size_t k = 0; k < rows.n_rows(); ++k) {
        double distance = 0.0;
        for (std::size_t j = 0; j < 3; ++j) {
          distance += std::pow(rows(i, j) - rows(k, j), 2.0);
        }
        value += solution.coefficients[k] * std::exp(-0.4 * distance);
      }
      // Outside, rows have a coefficient of 1, inside of 0, and on the boundary any.
      if (a < 1.0) worst = std::max(worst, -value);
      if (a > 0.0) worst = std::max(worst, value);
    }
    CHECK(sum == Approx(nu * 150.0));
    if (nu < 1.0) CHECK(worst < 2e-6);
  }
}

TEST_CASE("nu bounds the share of rows outside") {
  RandomGenerator random(3);
  const Matrix rows = random_rows(Kind::normal, 400, 2, random);
  for (const double nu : {0.05, 0.2, 0.6}) {
    const auto model = OneClassSvm{.tol = 1e-6, .nu = nu}.fit(rows);
    double outside = 0.0;
    for (const double one : model.training_scores()) outside += one > 1e-5 ? 1.0 : 0.0;
    CHECK(outside <= nu * 400.0);
    CHECK(static_cast<double>(model.n_support_vectors()) >= nu * 400.0);
    CHECK(score(model, {8.0, 8.0}) > score(model, {0.0, 0.0}));
    CHECK(score(model, {0.0, 0.0}) < 0.0);
  }
}

TEST_CASE("shares of every kernel sum to the score and point to the column") {
  RandomGenerator random(5);
  for (const auto kernel : all_kernels) {
    for (const auto kind : freshet::test::all_kinds) {
      if (kind == Kind::far_from_zero && kernel != Kernel::rbf) continue;  // powers of 1e9
      const Matrix rows = random_rows(kind, 100, 4, random);
      const auto model = OneClassSvm{.kernel = kernel, .coef0 = 0.5, .max_iter = 2000}.fit(rows);
      const Matrix others = random_rows(kind, 20, 4, random);
      for (std::size_t i = 0; i < others.n_rows(); ++i) {
        const double expected = model.score(others.row(i));
        CHECK(explained(model, others.row(i)) ==
              Approx(expected).epsilon(1e-6).margin(1e-6 * std::abs(model.offset())));
      }
    }
  }
  const auto model = OneClassSvm{}.fit(random_rows(Kind::normal, 300, 4, random));
  std::vector<double> contributions(4);
  model.explain(std::vector{0.0, 0.0, 5.0, 0.0}, contributions);
  for (const std::size_t j : {0U, 1U, 3U}) CHECK(contributions[2] > contributions[j]);
}

TEST_CASE("training ends, whatever the rows, and scores are finite") {
  for (const auto kernel : all_kernels) {
    for (const double unit : {0.0, 1.0, 1e100}) {
      RandomGenerator random(4);
      Matrix rows = random_rows(Kind::normal, 30, 2, random);
      for (std::size_t i = 0; i < 30; ++i) {
        for (double& value : rows.row(i)) value *= 0.2 * unit;
      }
      const auto model = OneClassSvm{.kernel = kernel, .max_iter = 1000}.fit(rows);
      for (const double one : model.training_scores()) CHECK(std::isfinite(one));
      CHECK(std::isfinite(score(model, {4e100, -4e100})));
    }
  }
  CHECK(OneClassSvm{}.fit(Matrix(1, 2)).training_scores().size() == 1);
  CHECK(std::isfinite(score(OneClassSvm{.nu = 1.0}.fit(Matrix(9, 2)), {1.0, 1.0})));
}

TEST_CASE("a tolerance finer than rounding ends the training where rounding begins") {
  RandomGenerator random(8);
  for (const auto kernel : all_kernels) {
    const Matrix rows = random_rows(Kind::normal, 60, 3, random);
    const auto after = [&](std::size_t n_steps) {
      return OneClassSvm{.kernel = kernel, .tol = 1e-300, .max_iter = n_steps}.fit(rows);
    };
    CHECK(after(20'000) == after(20'001));
    CHECK(after(20'000) == after(30'000));
  }
}

TEST_CASE("the factor is a number or chosen for the rows") {
  RandomGenerator random(6);
  const Matrix rows = random_rows(Kind::normal, 100, 4, random);
  CHECK(OneClassSvm{}.fit(rows) == OneClassSvm{.gamma = 0.25}.fit(rows));
  Matrix larger = rows;
  for (std::size_t i = 0; i < 100; ++i) {
    for (double& value : larger.row(i)) value *= 1024.0;
  }
  const OneClassSvm scaled{.gamma = KernelFactor::scale()};
  CHECK(scaled.fit(rows).training_scores()[3] ==
        Approx(scaled.fit(larger).training_scores()[3]).margin(1e-6));
}

TEST_CASE("a boundary comes back from bytes, and none that could not be scored with") {
  RandomGenerator random(9);
  const auto model = OneClassSvm{}.fit(random_rows(Kind::tied, 50, 3, random));
  CHECK(freshet::test::restored(model) == model);
  const int refused = freshet::test::refused_when_damaged(
      model, 3000, 64, random, [&](const OneClassSvmModel& read) {
        if (read.n_features() == 3) {
          CHECK(std::isfinite(score(read, {0.0, 1.0, 2.0})));
          CHECK(std::isfinite(explained(read, std::vector{0.0, 1.0, 2.0})));
        }
      });
  CHECK(refused > 100);
}

TEST_CASE("parameters of a one-class support vector machine are checked") {
  const auto field_of = [](const OneClassSvm& backend) {
    try {
      backend.validate();
    } catch (const freshet::ConfigurationError& error) {
      return error.field();
    }
    return std::string("nothing");
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(field_of({}) == "nothing");
  CHECK(field_of({.kernel = static_cast<Kernel>(4)}) == "kernel");
  CHECK(field_of({.degree = 101}) == "degree");
  for (const double negative : {-0.5, -1.0, -2.0}) CHECK(field_of({.gamma = negative}) == "gamma");
  CHECK(field_of({.gamma = KernelFactor::automatic()}) == "nothing");
  CHECK(field_of({.gamma = KernelFactor::scale()}) == "nothing");
  CHECK(field_of({.gamma = nan}) == "gamma");
  CHECK(field_of({.coef0 = nan}) == "coef0");
  CHECK(field_of({.tol = 0.0}) == "tol");
  CHECK(field_of({.nu = 0.0}) == "nu");
  CHECK(field_of({.nu = 1.5}) == "nu");
  CHECK(field_of({.max_iter = 0}) == "max_iter");
}

TEST_CASE(
    "a training of a support vector machine can be cancelled, also through a detector's training") {
  static_assert(freshet::CancellableBackend<OneClassSvm>);
  std::stop_source stop;
  const Matrix rows(20, 2);
  CHECK_NOTHROW(OneClassSvm{}.fit(rows, 1, stop.get_token()));
  const freshet::Training<OneClassSvm> training({}, {.n_features = 2}, rows, 1, nullptr);
  CHECK_NOTHROW(training.run());
  stop.request_stop();
  training.cancel();
  const auto code_of = [](const auto& train) {
    try {
      (void)train();
    } catch (const freshet::FitError& error) {
      return error.code();
    }
    return freshet::ErrorCode::not_ready;
  };
  CHECK(code_of([&] { return OneClassSvm{}.fit(rows, 1, stop.get_token()); }) ==
        freshet::ErrorCode::fit_cancelled);
  CHECK(code_of([&] { return training.run(); }) == freshet::ErrorCode::fit_cancelled);
}
