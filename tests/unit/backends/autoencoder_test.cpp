#include "freshet/backends/autoencoder.hpp"

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

using freshet::Autoencoder;
using freshet::AutoencoderModel;
using freshet::ConfigurationError;
using freshet::FitError;
using freshet::Matrix;
using freshet::RandomGenerator;
using freshet::test::explained;
using freshet::test::random_rows;

static_assert(freshet::Backend<Autoencoder>);
static_assert(freshet::ExplainableModel<AutoencoderModel> &&
              freshet::KeepsTrainingScores<AutoencoderModel>);

namespace {

// Rows on a curve: what is usual for a column depends on the others.
Matrix on_a_curve(std::size_t n_rows, RandomGenerator& random) {
  Matrix rows(n_rows, 4);
  for (std::size_t i = 0; i < n_rows; ++i) {
    const double t = 4.0 * random.uniform() - 2.0;
    rows(i, 0) = 100.0 + 10.0 * t + 0.1 * random.normal();
    rows(i, 1) = t * t + 0.01 * random.normal();
    rows(i, 2) = std::sin(2.0 * t) + 0.01 * random.normal();
    rows(i, 3) = -t + 0.01 * random.normal();
  }
  return rows;
}

}  // namespace

TEST_CASE("rows off the curve score above those on it, though each value is usual") {
  RandomGenerator random(1);
  const Matrix rows = on_a_curve(2000, random);
  const Autoencoder backend{.hidden_neuron_list = {32, 2}, .epoch_num = 30, .dropout_rate = 0.0};
  const auto model = backend.fit(rows, 3);
  const Matrix others = on_a_curve(500, random);
  std::vector<double> usual;
  std::vector<double> unusual;
  for (std::size_t i = 0; i < others.n_rows(); ++i) {
    usual.push_back(model.score(others.row(i)));
    std::vector<double> mixed(others.row(i).begin(), others.row(i).end());
    mixed[0] = others(others.n_rows() - 1 - i, 0);
    mixed[2] = others((i + 250) % 500, 2);
    unusual.push_back(model.score(mixed));
  }
  std::ranges::sort(usual);
  std::ranges::sort(unusual);
  CHECK(unusual[250] > 4.0 * usual[250]);
}

TEST_CASE("an autoencoder's contributions sum to the score and point to the column") {
  RandomGenerator random(2);
  for (const auto kind : freshet::test::all_kinds) {
    const Matrix rows = random_rows(kind, 200, 5, random);
    const auto model = Autoencoder{.hidden_neuron_list = {8, 3}, .epoch_num = 2}.fit(rows, 1);
    const Matrix others = random_rows(kind, 20, 5, random);
    for (std::size_t i = 0; i < others.n_rows(); ++i) {
      CHECK(explained(model, others.row(i)) == Approx(model.score(others.row(i))));
    }
  }
  const Matrix rows = on_a_curve(500, random);
  const auto model = Autoencoder{}.fit(rows);
  std::vector<double> contributions(4);
  model.explain(std::vector{100.0, 0.0, 25.0, 0.0}, contributions);
  CHECK(contributions[2] > contributions[0] + contributions[1] + contributions[3]);
}

TEST_CASE("a seed decides the network") {
  RandomGenerator random(4);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 100, 3, random);
  const Autoencoder backend{.hidden_neuron_list = {8, 2}, .epoch_num = 3};
  CHECK(backend.fit(rows, 4) == backend.fit(rows, 4));
  CHECK_FALSE(backend.fit(rows, 4) == backend.fit(rows, 5));
}

TEST_CASE("columns that are scaled have no unit") {
  RandomGenerator random(5);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 200, 3, random);
  Matrix scaled = rows;
  for (std::size_t i = 0; i < rows.n_rows(); ++i) scaled(i, 1) *= 1024.0;
  const Autoencoder backend{.epoch_num = 2};
  const auto model = backend.fit(rows, 1);
  const auto of_scaled = backend.fit(scaled, 1);
  for (std::size_t i = 0; i < 20; ++i) {
    CHECK(model.score(rows.row(i)) == Approx(of_scaled.score(scaled.row(i))).epsilon(1e-4));
  }
  const auto unscaled = Autoencoder{.epoch_num = 2, .preprocessing = false}.fit(scaled, 1);
  CHECK(unscaled.score(scaled.row(0)) != Approx(model.score(rows.row(0))).epsilon(0.1));
}

TEST_CASE("the farthest values and the fewest rows have finite scores") {
  RandomGenerator random(6);
  for (const std::size_t n : {1U, 2U, 33U}) {
    const Matrix rows = random_rows(freshet::test::Kind::normal, n, 3, random);
    const auto model = Autoencoder{.epoch_num = 2}.fit(rows);
    CHECK(std::isfinite(model.score(std::vector{1e100, -1e100, 0.0})));
    CHECK(model.score(std::vector{1e100, 0.0, 0.0}) > model.score(std::vector{1e3, 0.0, 0.0}));
    CHECK(explained(model, std::vector{1e100, -1e100, 0.0}) ==
          Approx(model.score(std::vector{1e100, -1e100, 0.0})));
  }
  const Matrix constant(50, 2);
  const auto model = Autoencoder{}.fit(constant);
  CHECK(std::isfinite(model.score(std::vector{0.0, 0.0})));
  const Matrix none = random_rows(freshet::test::Kind::normal, 0, 3, random);
  CHECK_THROWS_AS(Autoencoder{}.fit(none), FitError);
  CHECK_THROWS_AS(Autoencoder{.preprocessing = false}.fit(none), FitError);
}

TEST_CASE("a row that overflows in the network is far") {
  Matrix rows(640, 3);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    for (double& value : rows.row(i)) value = 5.0;
  }
  int fitted = 0;
  for (std::size_t n_layers = 6; n_layers <= 15; ++n_layers) {
    const Autoencoder backend{.hidden_neuron_list = std::vector<std::size_t>(n_layers, 8),
                              .hidden_activation_name = freshet::nn::Activation::identity,
                              .epoch_num = 2,
                              .dropout_rate = 0.0};
    try {
      const auto model = backend.fit(rows);
      ++fitted;
      CHECK(model.score(std::vector{5.0, 5.0, 1e100}) > model.score(std::vector{5.0, 5.0, 5.0}));
      CHECK(model.score(std::vector{5.0, 5.0, 1000.0}) > model.score(std::vector{5.0, 5.0, 5.0}));
    } catch (const FitError& error) {
      CHECK(error.code() == freshet::ErrorCode::fit_diverged);
    }
  }
  CHECK(fitted > 2);
}

TEST_CASE("an autoencoder that diverges in its last step says so") {
  RandomGenerator random(7);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 20, 3, random);
  try {
    (void)Autoencoder{.epoch_num = 1, .lr = 1e38}.fit(rows);
    FAIL("no error");
  } catch (const FitError& error) {
    CHECK(error.code() == freshet::ErrorCode::fit_diverged);
  }
}

TEST_CASE("an autoencoder that diverges says so") {
  RandomGenerator random(7);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 100, 3, random);
  const Autoencoder backend{.epoch_num = 50, .lr = 1e30, .batch_norm = false};
  try {
    (void)backend.fit(rows);
    FAIL("no error");
  } catch (const FitError& error) {
    CHECK(error.code() == freshet::ErrorCode::fit_diverged);
    CHECK(error.field() == "lr");
  }
}

TEST_CASE("an autoencoder comes back from bytes, and none that could not compute") {
  RandomGenerator random(8);
  const Matrix rows = random_rows(freshet::test::Kind::normal, 100, 3, random);
  const auto model = Autoencoder{.hidden_neuron_list = {5, 2}, .epoch_num = 1}.fit(rows);
  const auto again = freshet::test::restored(model);
  CHECK(again == model);
  CHECK(again.score(rows.row(0)) == model.score(rows.row(0)));
  const int refused = freshet::test::refused_when_damaged(
      model, 2000, 40, random, [&](const AutoencoderModel& read) {
        CHECK(read.n_features() == 3);
        CHECK(std::isfinite(read.score(rows.row(0))));
      });
  CHECK(refused > 100);
}

TEST_CASE("an autoencoder's parameters are checked") {
  const auto field_of = [](const Autoencoder& backend) {
    try {
      backend.validate();
    } catch (const ConfigurationError& error) {
      return error.field();
    }
    return std::string("nothing");
  };
  CHECK(field_of({}) == "nothing");
  CHECK(field_of({.hidden_neuron_list = {}}) == "hidden_neuron_list");
  CHECK(field_of({.hidden_neuron_list = {64, 0}}) == "hidden_neuron_list");
  CHECK(field_of({.hidden_neuron_list = std::vector<std::size_t>(16, 4)}) == "hidden_neuron_list");
  CHECK(field_of({.epoch_num = 0}) == "epoch_num");
  CHECK(field_of({.batch_size = 0}) == "batch_size");
  CHECK(field_of({.lr = 0.0}) == "lr");
  CHECK(field_of({.lr = std::numeric_limits<double>::quiet_NaN()}) == "lr");
  CHECK(field_of({.weight_decay = -1.0}) == "weight_decay");
  CHECK(field_of({.dropout_rate = 1.0}) == "dropout_rate");
}

TEST_CASE("a training of an autoencoder can be cancelled, also through a detector's training") {
  static_assert(freshet::CancellableBackend<Autoencoder>);
  std::stop_source stop;
  const Matrix rows(20, 2);
  CHECK_NOTHROW(Autoencoder{}.fit(rows, 1, stop.get_token()));
  const freshet::Training<Autoencoder> training({}, {.n_features = 2}, rows, 1, nullptr);
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
  CHECK(code_of([&] { return Autoencoder{}.fit(rows, 1, stop.get_token()); }) ==
        freshet::ErrorCode::fit_cancelled);
  CHECK(code_of([&] { return training.run(); }) == freshet::ErrorCode::fit_cancelled);
}
