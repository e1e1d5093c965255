#include "freshet/backends/lstm_autoencoder.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "freshet/scaling/scaler.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"
#include "support/lstm_data.hpp"

namespace {

using Catch::Matchers::ContainsSubstring;
using freshet::ConfigurationError;
using freshet::Dtype;
using freshet::ErrorCode;
using freshet::FitError;
using freshet::LstmAutoencoder;
using freshet::LstmAutoencoderModel;
using freshet::Matrix;
using freshet::MatrixView;
using freshet::RowView;
using freshet::Scaling;
using freshet::test::bytes_of;
using freshet::test::restored;
using freshet::test::tiny;
using freshet::test::waves;

std::vector<double> as_vector(std::span<const double> values) {
  return {values.begin(), values.end()};
}

double first_loss(const LstmAutoencoderModel& model) {
  return model.history().epochs.front().training;
}

ErrorCode fit_error(const std::function<void()>& use) {
  try {
    use();
  } catch (const FitError& error) {
    return error.code();
  }
  FAIL("expected a FitError");
  return ErrorCode::not_ready;
}

}  // namespace

TEST_CASE("an LSTM autoencoder is a backend of windows that begins with a model") {
  STATIC_REQUIRE(freshet::Backend<LstmAutoencoder>);
  STATIC_REQUIRE(freshet::WindowBackend<LstmAutoencoder>);
  STATIC_REQUIRE(freshet::WarmStartBackend<LstmAutoencoder>);
  STATIC_REQUIRE(freshet::ExplainableModel<LstmAutoencoderModel>);
  STATIC_REQUIRE(freshet::KeepsTrainingScores<LstmAutoencoderModel>);
  STATIC_REQUIRE(LstmAutoencoder::name == "lstm_autoencoder");
}

TEST_CASE("a parameter of the LSTM autoencoder that is out of range is named") {
  using Change = std::function<void(LstmAutoencoder&)>;
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::vector<std::pair<std::string, std::vector<Change>>> cases{
      {"window", {[](auto& b) { b.window = 1; }, [](auto& b) { b.window = 100'001; }}},
      {"hidden_size", {[](auto& b) { b.hidden_size = 0; }, [](auto& b) { b.hidden_size = 4097; }}},
      {"num_layers", {[](auto& b) { b.num_layers = 0; }, [](auto& b) { b.num_layers = 17; }}},
      {"latent_size", {[](auto& b) { b.latent_size = 0; }, [](auto& b) { b.latent_size = 4097; }}},
      {"epochs", {[](auto& b) { b.epochs = 0; }, [](auto& b) { b.epochs = 100'001; }}},
      {"batch_size",
       {[](auto& b) { b.batch_size = 0; }, [](auto& b) { b.batch_size = (1U << 20U) + 1U; }}},
      {"learning_rate",
       {[](auto& b) { b.learning_rate = 0.0; }, [](auto& b) { b.learning_rate = nan; },
        [](auto& b) { b.learning_rate = infinity; }}},
      {"validation_fraction",
       {[](auto& b) { b.validation_fraction = -0.1; }, [](auto& b) { b.validation_fraction = 1.0; },
        [](auto& b) { b.validation_fraction = nan; }}},
      {"patience", {[](auto& b) { b.patience = 0; }}},
      {"clip_norm", {[](auto& b) { b.clip_norm = -1.0; }, [](auto& b) { b.clip_norm = nan; }}},
      {"n_threads", {[](auto& b) { b.n_threads = 0; }, [](auto& b) { b.n_threads = 1025; }}},
      {"dtype", {[](auto& b) { b.dtype = static_cast<Dtype>(2); }}},
      {"scaler", {[](auto& b) { b.scaler = static_cast<Scaling>(99); }}},
  };
  const Matrix rows = waves(30, 1);
  std::size_t n_parameters = 0;
  LstmAutoencoder{}.visit_fields([&](const char* /*name*/, auto&) { ++n_parameters; });
  CHECK(cases.size() == n_parameters);
  CHECK_NOTHROW(LstmAutoencoder{}.validate());
  for (const auto& [field, changes] : cases) {
    for (const Change& change : changes) {
      CAPTURE(field);
      LstmAutoencoder backend = tiny();
      change(backend);
      try {
        (void)backend.fit(rows.view().shingled(6));
        FAIL("accepted");
      } catch (const ConfigurationError& error) {
        CHECK(error.field() == field);
        CHECK(error.code() == ErrorCode::parameter_out_of_range);
      }
    }
  }
}

TEST_CASE("a window scores the same alone, among others, and as a training row") {
  LstmAutoencoder backend = tiny();
  backend.dtype = GENERATE(Dtype::float32, Dtype::float64);
  backend.latent_size = GENERATE(std::optional<std::size_t>{}, std::optional<std::size_t>{3});
  backend.num_layers = backend.latent_size ? 2 : 1;
  const Matrix rows = waves(80, 2);
  const MatrixView windows = rows.view().shingled(6);
  const LstmAutoencoderModel model = backend.fit(windows, 3);
  CHECK(model.window() == 6);
  CHECK(model.n_columns() == 2);
  CHECK(model.n_features() == 12);
  CHECK(model.dtype() == backend.dtype);
  const std::vector<double> scores = as_vector(model.training_scores());
  REQUIRE(scores.size() == 75);
  for (const std::size_t n_threads : {1U, 2U, 5U}) {
    CHECK(model.score(windows, n_threads) == scores);
  }
  std::vector<RowView> views;
  std::vector<double> alone;
  for (std::size_t i = 0; i < windows.n_rows(); ++i) {
    views.push_back(windows.row(i));
    alone.push_back(model.score(windows.row(i)));
  }
  CHECK(alone == scores);
  // Whatever stands beside it: 24 windows are one chunk.
  for (const std::size_t n : {1U, 2U, 7U, 23U, 24U, 25U, 49U, 75U}) {
    std::vector<double> together(n);
    model.score(std::span<const RowView>(views).last(n), together);
    CHECK(together ==
          std::vector<double>(scores.end() - static_cast<std::ptrdiff_t>(n), scores.end()));
  }
  CHECK(model.score(MatrixView{}).empty());
}

TEST_CASE("errors, explanations and reconstructions of a window fit together") {
  LstmAutoencoder backend = tiny();
  backend.dtype = GENERATE(Dtype::float32, Dtype::float64);
  const Matrix rows = waves(60, 3);
  const MatrixView windows = rows.view().shingled(6);
  const LstmAutoencoderModel model = backend.fit(windows);
  const double tolerance = backend.dtype == Dtype::float32 ? 1e-5 : 1e-12;
  for (const std::size_t i : {0U, 17U, 54U}) {
    const RowView window = windows.row(i);
    const double score = model.score(window);
    CHECK(freshet::test::explained(model, window) == Approx(score).epsilon(1e-12));
    std::vector<double> errors(18);
    model.squared_errors(window, errors);
    CHECK(std::accumulate(errors.begin(), errors.end(), 0.0) / 18.0 ==
          Approx(score).epsilon(1e-12));
    std::vector<double> contributions(18);
    model.explain(window, contributions);
    std::vector<double> reconstruction(18);
    model.reconstruct(window, reconstruction);
    for (std::size_t k = 0; k < 18; ++k) {
      CHECK(contributions[k] == errors[k] / 18.0);
      const double error = (reconstruction[k] - window[k]) / model.scaler().scale()[k % 3];
      CHECK(error * error == Approx(errors[k]).epsilon(tolerance).margin(tolerance));
    }
  }
}

TEST_CASE("a reconstruction is in the columns' own units") {
  LstmAutoencoder backend = tiny();
  backend.dtype = Dtype::float64;
  backend.epochs = 40;
  backend.learning_rate = 0.02;
  const Matrix rows = waves(200, 2);  // the second column lies around 10
  const LstmAutoencoderModel model = backend.fit(rows.view().shingled(6));
  std::vector<double> reconstruction(12);
  model.reconstruct(rows.view().shingled(6).row(50), reconstruction);
  for (std::size_t k = 0; k < 12; k += 2) {
    CHECK(std::abs(reconstruction[k]) < 2.0);
    CHECK(std::abs(reconstruction[k + 1] - 10.0) < 4.0);
  }
  CHECK(model.history().best_epoch > 1);
  CHECK(first_loss(model) > model.history().epochs.back().training);
}

TEST_CASE("an explanation points at the value that is wrong") {
  const Matrix rows = waves(120, 2);
  const LstmAutoencoderModel model = tiny().fit(rows.view().shingled(6));
  std::vector<double> window = as_vector(rows.view().shingled(6).row(30));
  window[7] += 50.0;
  std::vector<double> contributions(12);
  model.explain(window, contributions);
  CHECK(std::max_element(contributions.begin(), contributions.end()) - contributions.begin() == 7);
}

TEST_CASE("windows that overlap in memory and copies of them train to the same") {
  // A scaler that weighs its rows would see the rows of copies several times.
  LstmAutoencoder backend = tiny();
  backend.scaler = GENERATE(Scaling::none, Scaling::min_max);
  const Matrix rows = waves(50, 2);
  const MatrixView windows = rows.view().shingled(6);
  const Matrix copied(windows);
  CHECK(bytes_of(backend.fit(windows, 7)) == bytes_of(backend.fit(copied, 7)));
  // Every third window: a stride between a row and a window.
  const MatrixView every_third(rows.view().data(), 15, 12, 6);
  CHECK(bytes_of(backend.fit(every_third, 7)) == bytes_of(backend.fit(Matrix(every_third), 7)));
}

TEST_CASE("the number of threads does not change what is trained, the seed does") {
  const Matrix rows = waves(90, 2);
  LstmAutoencoder backend = tiny();
  backend.batch_size = 50;
  const auto bytes = bytes_of(backend.fit(rows.view().shingled(6), 7));
  CHECK(bytes_of(backend.fit(rows.view().shingled(6), 7)) == bytes);
  CHECK(bytes_of(backend.fit(rows.view().shingled(6), 8)) != bytes);
  backend.n_threads = 3;
  CHECK(bytes_of(backend.fit(rows.view().shingled(6), 7)) == bytes);
}

TEST_CASE("every column is scaled by the rows of the series") {
  LstmAutoencoder backend = tiny();
  backend.epochs = 1;
  backend.scaler = GENERATE(Scaling::none, Scaling::standard, Scaling::min_max, Scaling::robust);
  const Matrix rows = waves(40, 3);
  CHECK(backend.fit(rows.view().shingled(6)).scaler() == freshet::fit(backend.scaler, rows));
  // Windows without overlap are copied, yet they have the same rows.
  const Matrix whole = waves(42, 3);
  const MatrixView side_by_side(whole.view().data(), 7, 18);
  CHECK(backend.fit(side_by_side).scaler() == freshet::fit(backend.scaler, whole));
  const MatrixView one = rows.view().shingled(40);
  backend.window = 40;
  CHECK(backend.fit(one).scaler() == freshet::fit(backend.scaler, rows));
}

TEST_CASE("a training begins with the weights of a model of the same sizes") {
  LstmAutoencoder backend = tiny();
  backend.epochs = 3;
  backend.learning_rate = 0.01;
  const Matrix rows = waves(150, 2);
  const MatrixView windows = rows.view().shingled(6);
  const LstmAutoencoderModel cold = backend.fit(windows, 5);
  const LstmAutoencoderModel warm = backend.fit(windows, 5, &cold);
  CHECK(first_loss(warm) < first_loss(cold));
  CHECK(first_loss(warm) < 1.1 * cold.history().epochs.back().training);
  CHECK(bytes_of(backend.fit(windows, 5, nullptr)) == bytes_of(cold));

  SECTION("the window may differ, the weights do not depend on it") {
    backend.window = 8;
    const MatrixView longer = rows.view().shingled(8);
    CHECK(first_loss(backend.fit(longer, 5, &cold)) < first_loss(backend.fit(longer, 5)));
  }
  SECTION("a model that was restored serves as well") {
    const LstmAutoencoderModel again = restored(cold);
    CHECK(bytes_of(backend.fit(windows, 5, &again)) == bytes_of(warm));
  }
}

TEST_CASE("a training begins cold when the previous model has other sizes, dtype or no training") {
  const LstmAutoencoder backend = tiny();
  const Matrix rows = waves(60, 2);
  const MatrixView windows = rows.view().shingled(6);
  const auto cold = bytes_of(backend.fit(windows, 5));
  LstmAutoencoder other = backend;
  other.epochs = 1;
  LstmAutoencoderModel previous;
  SECTION("hidden_size") { other.hidden_size = 5, previous = other.fit(windows); }
  SECTION("num_layers") { other.num_layers = 2, previous = other.fit(windows); }
  SECTION("latent_size") { other.latent_size = 4, previous = other.fit(windows); }
  SECTION("dtype") { other.dtype = Dtype::float64, previous = other.fit(windows); }
  SECTION("columns") { previous = other.fit(waves(60, 1).view().shingled(6)); }
  SECTION("not trained") { CHECK(previous.n_features() == 0); }
  CHECK(bytes_of(backend.fit(windows, 5, &previous)) == cold);
}

TEST_CASE("a training ends when it is told to stop") {
  const LstmAutoencoder backend = tiny();
  const Matrix rows = waves(60, 1);
  const MatrixView windows = rows.view().shingled(6);
  std::stop_source stop;
  std::size_t steps = 0;
  SECTION("before it began") {
    stop.request_stop();
    CHECK(fit_error([&] { (void)backend.fit(windows, 0, nullptr, {stop.get_token(), {}}); }) ==
          ErrorCode::fit_cancelled);
  }
  SECTION("while it runs") {
    const freshet::nn::TrainingControl control{stop.get_token(),
                                               [&](const freshet::nn::TrainingProgress& progress) {
                                                 ++steps;
                                                 CHECK(progress.batch == steps);
                                                 if (steps == 2) stop.request_stop();
                                               }};
    CHECK(fit_error([&] { (void)backend.fit(windows, 0, nullptr, control); }) ==
          ErrorCode::fit_cancelled);
    CHECK(steps == 2);
  }
  SECTION("by what its listener throws") {
    const freshet::nn::TrainingControl control{
        {}, [](const freshet::nn::TrainingProgress&) { throw std::runtime_error("enough"); }};
    CHECK_THROWS_WITH(backend.fit(windows, 0, nullptr, control), "enough");
  }
}

TEST_CASE("a training that diverges says so") {
  LstmAutoencoder backend = tiny();
  backend.dtype = GENERATE(Dtype::float32, Dtype::float64);
  backend.learning_rate = 1e200;
  const Matrix rows = waves(60, 1);
  const auto train = [&] { (void)backend.fit(rows.view().shingled(6)); };
  CHECK(fit_error(train) == ErrorCode::fit_diverged);
  CHECK_THROWS_WITH(train(), ContainsSubstring("learning_rate"));
}

TEST_CASE("what are no windows cannot be trained on") {
  const LstmAutoencoder backend = tiny();
  const Matrix rows = waves(60, 1);
  const auto failed = [&](MatrixView windows) {
    return fit_error([&] { (void)backend.fit(windows); }) == ErrorCode::fit_failed;
  };
  CHECK(failed(rows.view().shingled(5)));
  CHECK(failed(rows.view().shingled(7)));
  CHECK(failed(rows.view()));
  CHECK(failed(MatrixView{}));
  CHECK(failed(rows.view().shingled(61)));
  CHECK(failed(MatrixView(rows.view().data(), 0, 6)));
  CHECK(failed(MatrixView(rows.view().data(), 3, 0)));
  CHECK_THROWS_WITH(backend.fit(rows.view().shingled(5)), ContainsSubstring("window of 6 rows"));
}

TEST_CASE("constant columns and a single window can be trained on") {
  Matrix rows(6, 2);
  for (std::size_t i = 0; i < 6; ++i) rows(i, 1) = 5.0;
  const LstmAutoencoderModel model = tiny().fit(rows.view().shingled(6));
  CHECK(model.training_scores().size() == 1);
  CHECK(std::isfinite(model.score(rows.view().shingled(6).row(0))));
  CHECK(std::isnan(model.history().epochs.front().validation));  // nothing was held out
}

TEST_CASE("training scores can be replaced by those of other rows") {
  const Matrix rows = waves(60, 1);
  const LstmAutoencoderModel model = tiny().fit(rows.view().shingled(6));
  const auto other = model.with_training_scores({1.0, 2.0});
  CHECK(as_vector(other.training_scores()) == std::vector{1.0, 2.0});
  CHECK(model.training_scores().size() == 55);
  CHECK(other.score(rows.view().shingled(6)) == model.score(rows.view().shingled(6)));
}
