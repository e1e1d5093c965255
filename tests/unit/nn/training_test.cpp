#include "freshet/nn/training.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <stop_token>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/scaling/affine.hpp"
#include "support/autoencoder_runs.hpp"
#include "support/catch.hpp"

using namespace freshet::test;
using freshet::nn::TrainingControl;
using freshet::nn::TrainingHistory;
using freshet::nn::TrainingOptions;
using freshet::nn::TrainingProgress;
using WindowSet = freshet::nn::detail::WindowSet<float>;

namespace {

constexpr std::size_t window = 10;

std::vector<double> sine(std::size_t n) {
  std::vector<double> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = std::sin(0.5 * static_cast<double>(i));
  return values;
}

struct Trained {
  Autoencoder<float> network = random_network<float>({.n_columns = 1, .hidden_size = 6}, 3);
  TrainingHistory history;
  std::vector<double> errors;
};

Trained trained(const TrainingOptions& options, freshet::Seed seed = 1,
                const TrainingControl& control = {}) {
  const std::vector<double> values = sine(200);
  const freshet::MatrixView series(values.data(), values.size(), 1);
  const WindowSet windows(series.shingled(window), freshet::AffineTransform::identity(1));
  Trained result;
  result.history =
      freshet::nn::train(result.network, windows, options, seed, control, result.errors);
  return result;
}

}  // namespace

TEST_CASE("training gives the same bits for a seed, whatever the number of threads") {
  const Trained one = trained({.epochs = 3, .n_threads = 1});
  for (const std::size_t n_threads : {2, 3}) {
    const Trained other = trained({.epochs = 3, .n_threads = n_threads});
    CHECK(other.network == one.network);
    CHECK(other.history == one.history);
    CHECK(other.errors == one.errors);
  }
  CHECK_FALSE(trained({.epochs = 3}, 2).network == one.network);
}

TEST_CASE("the loss falls, and what fills up panels stays zero") {
  Trained result = trained({.epochs = 40, .learning_rate = 1e-2, .patience = 40});
  const auto& epochs = result.history.epochs;
  CHECK(epochs.back().training < 0.2 * epochs.front().training);
  std::size_t n_nonzero = 0;
  for (const auto block : result.network.blocks()) {
    n_nonzero += static_cast<std::size_t>(
        std::ranges::count_if(block, [](float value) { return value != 0.0F; }));
  }
  CHECK(n_nonzero == freshet::nn::n_parameters(result.network.sizes()));
}

TEST_CASE("the best epoch's weights are kept") {
  // So large a rate that the loss goes up and down.
  const TrainingOptions options{.epochs = 60, .learning_rate = 0.1, .patience = 3};
  const Trained result = trained(options);
  const auto& epochs = result.history.epochs;
  const std::size_t best = result.history.best_epoch;
  REQUIRE(best >= 1);
  REQUIRE(best + options.patience == epochs.size());
  for (const auto& losses : epochs) CHECK(losses.validation >= epochs[best - 1].validation);
  double of_held_out = 0.0;
  const std::size_t n_held_out = result.errors.size() / 10;
  for (std::size_t i = result.errors.size() - n_held_out; i < result.errors.size(); ++i) {
    of_held_out += result.errors[i] / static_cast<double>(n_held_out);
  }
  CHECK(of_held_out == Approx(epochs[best - 1].validation).epsilon(1e-12));
}

TEST_CASE("progress is told of after every step, in order") {
  std::vector<TrainingProgress> told;
  const TrainingControl control{
      .stop = {}, .on_progress = [&told](const TrainingProgress& p) { told.push_back(p); }};
  trained({.epochs = 2, .batch_size = 50}, 1, control);
  REQUIRE(told.size() == 2 * 4);  // 172 of 191 windows are trained on
  for (std::size_t i = 0; i < told.size(); ++i) {
    CHECK(told[i].epoch == i / 4 + 1);
    CHECK(told[i].batch == i % 4 + 1);
    CHECK(told[i].n_batches == 4);
    CHECK(told[i].n_epochs == 2);
    CHECK(told[i].validation_loss.has_value() == (i % 4 == 3));
    CHECK(told[i].training_loss > 0.0);
  }
}

TEST_CASE("a training can be stopped from outside and from its callback") {
  std::stop_source source;
  std::size_t n_steps = 0;
  const TrainingControl stopped{.stop = source.get_token(),
                                .on_progress = [&](const TrainingProgress&) {
                                  if (++n_steps == 2) source.request_stop();
                                }};
  try {
    trained({.epochs = 50}, 1, stopped);
    FAIL("the training went on");
  } catch (const freshet::FitError& error) {
    CHECK(error.code() == freshet::ErrorCode::fit_cancelled);
  }
  CHECK(n_steps == 2);
  const TrainingControl throwing{
      .stop = {}, .on_progress = [](const TrainingProgress&) { throw std::runtime_error("mine"); }};
  CHECK_THROWS_AS(trained({.epochs = 2}, 1, throwing), std::runtime_error);
}

TEST_CASE("a training that diverges says so") {
  try {
    trained({.epochs = 20, .learning_rate = 1e30});
    FAIL("the training went on");
  } catch (const freshet::FitError& error) {
    CHECK(error.code() == freshet::ErrorCode::fit_diverged);
    CHECK(error.field() == "learning_rate");
  }
}

TEST_CASE("windows that overlap in memory train as their copies do") {
  const std::vector<double> values = sine(120);
  const freshet::MatrixView views =
      freshet::MatrixView(values.data(), values.size(), 1).shingled(window);
  const freshet::Matrix copies(views);
  const auto train_on = [](freshet::MatrixView rows) {
    Trained result;
    const WindowSet windows(rows, freshet::AffineTransform({0.1}, {2.0}));
    freshet::nn::train(result.network, windows, {.epochs = 2}, 1, {}, result.errors);
    return result;
  };
  const Trained a = train_on(views);
  const Trained b = train_on(copies);
  CHECK(a.network == b.network);
  CHECK(a.errors == b.errors);
}

TEST_CASE("fewer windows than a batch, and a single one, will do") {
  const std::vector<double> values = sine(window + 1);
  for (const std::size_t n : {window, window + 1}) {
    Trained result;
    const freshet::MatrixView series(values.data(), n, 1);
    const WindowSet windows(series.shingled(window), freshet::AffineTransform::identity(1));
    const auto history =
        freshet::nn::train(result.network, windows, {.epochs = 2}, 1, {}, result.errors);
    CHECK(result.errors.size() == n - window + 1);
    CHECK(history.epochs.size() == 2);
  }
}
