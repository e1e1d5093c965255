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
  // Whole chunks, chunks of all sizes, and fewer of them than threads.
  for (const std::size_t batch_size : {64, 50, 20}) {
    CAPTURE(batch_size);
    const Trained one = trained({.epochs = 3, .batch_size = batch_size, .n_threads = 1});
    for (const std::size_t n_threads : {1, 2, 3}) {
      const Trained other =
          trained({.epochs = 3, .batch_size = batch_size, .n_threads = n_threads});
      CHECK(other.network == one.network);
      CHECK(other.history == one.history);
      CHECK(other.errors == one.errors);
    }
  }
  CHECK_FALSE(trained({.epochs = 3}, 2).network == trained({.epochs = 3}, 1).network);
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

  TrainingOptions shorter = options;
  shorter.epochs = best;
  CHECK(trained(shorter).network == result.network);
}

TEST_CASE("errors are those of the network that is returned") {
  const Trained result = trained({.epochs = 60, .learning_rate = 0.1, .patience = 3});
  const std::vector<double> values = sine(200);
  REQUIRE(result.errors.size() == values.size() - window + 1);
  for (std::size_t i = 0; i < result.errors.size(); ++i) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(i);
    const std::vector<double> one(begin, begin + static_cast<std::ptrdiff_t>(window));
    std::vector<float> scaled;
    for (const double value : one) scaled.push_back(static_cast<float>(value));
    REQUIRE(window_errors(result.network, scaled, static_cast<Index>(window), 1,
                          freshet::nn::best_instruction_set())
                .front() == result.errors[i]);
  }
}

TEST_CASE("without windows held out the training loss decides") {
  const TrainingOptions options{
      .epochs = 60, .learning_rate = 0.1, .validation_fraction = 0.0, .patience = 3};
  std::size_t n_told = 0;
  const TrainingControl control{.stop = {}, .on_progress = [&](const TrainingProgress& progress) {
                                  ++n_told;
                                  CHECK_FALSE(progress.validation_loss.has_value());
                                }};
  const Trained result = trained(options, 1, control);
  const auto& epochs = result.history.epochs;
  CHECK(n_told == 3 * epochs.size());  // 191 windows
  REQUIRE(result.history.best_epoch >= 1);
  for (const auto& losses : epochs) {
    CHECK(std::isnan(losses.validation));
    CHECK(losses.training >= epochs[result.history.best_epoch - 1].training);
  }
}

TEST_CASE("a network in double is trained the same way") {
  const std::vector<double> values = sine(100);
  const freshet::MatrixView series(values.data(), values.size(), 1);
  const freshet::nn::detail::WindowSet<double> windows(series.shingled(window),
                                                       freshet::AffineTransform::identity(1));
  const auto train_with = [&](std::size_t n_threads) {
    auto network = random_network<double>({.n_columns = 1, .hidden_size = 6}, 3);
    std::vector<double> errors;
    const auto history = freshet::nn::train(
        network, windows, {.epochs = 60, .learning_rate = 1e-2, .n_threads = n_threads}, 1, {},
        errors);
    CHECK(history.epochs.back().training < 0.5 * history.epochs.front().training);
    return network;
  };
  CHECK(train_with(1) == train_with(3));
}

TEST_CASE("progress is told of after every step, in order") {
  std::vector<TrainingProgress> told;
  const TrainingControl control{
      .stop = {}, .on_progress = [&told](const TrainingProgress& p) { told.push_back(p); }};
  const Trained result = trained({.epochs = 2, .batch_size = 50}, 1, control);
  REQUIRE(told.size() == 2 * 4);  // 172 of 191 windows are trained on
  for (std::size_t i = 0; i < told.size(); ++i) {
    CHECK(told[i].epoch == i / 4 + 1);
    CHECK(told[i].batch == i % 4 + 1);
    CHECK(told[i].n_batches == 4);
    CHECK(told[i].n_epochs == 2);
    CHECK(told[i].validation_loss.has_value() == (i % 4 == 3));
    CHECK(told[i].training_loss > 0.0);
    CHECK(told[i].seconds >= (i == 0 ? 0.0 : told[i - 1].seconds));
  }
  for (std::size_t epoch = 0; epoch < 2; ++epoch) {
    const TrainingProgress& last = told[4 * epoch + 3];
    CHECK(last.training_loss == result.history.epochs[epoch].training);
    CHECK(last.validation_loss == result.history.epochs[epoch].validation);
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
  CHECK_THROWS_AS(trained({.epochs = 50}, 1, stopped),
                  freshet::FitError);  // stopped before it began
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
  const std::size_t n_columns = GENERATE(1, 3);
  const std::vector<double> values = sine(120 * n_columns);
  const freshet::MatrixView views =
      freshet::MatrixView(values.data(), 120, n_columns).shingled(window);
  const freshet::Matrix copies(views);
  const auto train_on = [&](freshet::MatrixView rows) {
    Trained result;
    result.network =
        random_network<float>({.n_columns = static_cast<Index>(n_columns), .hidden_size = 6}, 3);
    std::vector<double> center{0.1, -0.2, 0.3};
    std::vector<double> scale{2.0, 0.5, 3.0};
    center.resize(n_columns);
    scale.resize(n_columns);
    const WindowSet windows(rows, freshet::AffineTransform(center, scale));
    result.history =
        freshet::nn::train(result.network, windows, {.epochs = 2}, 1, {}, result.errors);
    return result;
  };
  const Trained a = train_on(views);
  const Trained b = train_on(copies);
  CHECK(a.network == b.network);
  CHECK(a.history == b.history);
  CHECK(a.errors == b.errors);
}

TEST_CASE("a batch may be larger than all windows") {
  std::vector<TrainingProgress> told;
  const TrainingControl control{
      .stop = {}, .on_progress = [&told](const TrainingProgress& p) { told.push_back(p); }};
  const Trained larger = trained({.epochs = 3, .batch_size = 10000}, 1, control);
  REQUIRE(told.size() == 3);
  CHECK(told.back().n_batches == 1);
  CHECK(larger.network == trained({.epochs = 3, .batch_size = 172}).network);
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
