#include "freshet/stream/streaming_detector.hpp"

#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "freshet/backends/hbos.hpp"
#include "freshet/backends/loda.hpp"
#include "freshet/core/random.hpp"
#include "support/catch.hpp"
#include "support/toy_backends.hpp"

namespace {

using freshet::DataError;
using freshet::ErrorCode;
using freshet::Normalization;
using freshet::Result;
using freshet::Retrain;
using freshet::Status;
using freshet::StreamingConfig;
using freshet::StreamingDetector;
using freshet::test::FailingBackend;
using freshet::test::Gate;
using freshet::test::GatedBackend;
using freshet::test::HeldExecutor;
using freshet::test::MeanDistance;
using freshet::test::ThrowingBackend;

StreamingConfig small(Retrain retrain = Retrain::inline_) {
  return {.n_features = 1,
          .min_samples = 4,
          .retrain_interval = 3,
          .window_size = 6,
          .normalization = Normalization::raw,
          .retrain = retrain};
}

template <class Detector>
Result feed(Detector& detector, double value) {
  return detector.process(std::vector<double>{value});
}

}  // namespace

TEST_CASE("the row that completes min_samples trains and is not scored, the next one is") {
  StreamingDetector detector(MeanDistance{}, small());
  for (std::size_t i = 0; i < 4; ++i) {
    const Result result = feed(detector, static_cast<double>(i));
    CHECK_FALSE(result.scored);
    CHECK(std::isnan(result.score));
    CHECK(std::isnan(result.raw_score));
    CHECK_FALSE(result.is_anomaly);
    CHECK(result.model_version == 0);
    CHECK(result.index == i);
    CHECK(result.samples_until_ready == 3 - i);
    CHECK(result.status == (i < 3 ? Status::collecting : Status::ready));
  }
  const Result result = feed(detector, 11.5);
  CHECK(result.scored);
  CHECK(result.raw_score == 10.0);  // the mean of 0, 1, 2, 3 is 1.5
  CHECK(result.score == 10.0);
  CHECK(result.is_anomaly);
  CHECK(result.alarm);
  CHECK(result.model_version == 1);
  CHECK(result.samples_until_ready == 0);
}

TEST_CASE("a row is scored with the model before it, then a retrain sees it") {
  StreamingDetector detector(MeanDistance{}, small());
  for (const double value : {0.0, 0.0, 0.0, 0.0, 6.0, 6.0}) (void)feed(detector, value);
  const Result third = feed(detector, 6.0);
  CHECK(third.raw_score == 6.0);  // still the first model
  CHECK(third.model_version == 1);
  // Three rows since the first training: it retrained on the last six, 0 0 0 6 6 6.
  const Result next = feed(detector, 6.0);
  CHECK(next.model_version == 2);
  CHECK(next.raw_score == 3.0);
  CHECK(detector.stats().samples_since_retrain == 1);
  CHECK(detector.stats().total_processed == 8);
  CHECK(detector.stats().samples_collected == 6);
}

TEST_CASE("background training: rows are scored meanwhile, the swap is between two rows") {
  const auto gate = std::make_shared<Gate>(1);
  StreamingDetector detector(GatedBackend{gate}, small(Retrain::background),
                             std::make_shared<freshet::ThreadPool>(1));
  for (int i = 0; i < 7; ++i) (void)feed(detector, 0.0);  // the 7th row begins the second training
  gate->await_waiting();
  for (int i = 0; i < 20; ++i) {
    const Result result = feed(detector, 6.0);
    CHECK(result.scored);
    CHECK(result.raw_score == 6.0);
    CHECK(result.model_version == 1);
    CHECK(result.status == Status::retraining);
  }
  gate->release();
  detector.waiter()();
  // Twenty rows came during the training: the trigger they pulled coalesced into one, which begins
  // with the row after the swap.
  const Result result = feed(detector, 6.0);
  CHECK(result.model_version == 2);
  CHECK(result.raw_score == 6.0);  // trained on six zeros
  CHECK(result.status == Status::retraining);
  gate->release();
  detector.wait();
  CHECK(detector.status() == Status::ready);
  CHECK(feed(detector, 6.0).raw_score == 0.0);
  CHECK(detector.stats().model_version == 3);
}

TEST_CASE("a failing retrain keeps the model, is counted, reported and tried again") {
  FailingBackend backend;
  const Retrain mode = GENERATE(Retrain::inline_, Retrain::background);
  StreamingDetector detector(backend, small(mode), std::make_shared<freshet::ThreadPool>(1));
  for (int i = 0; i < 4; ++i) (void)feed(detector, 0.0);
  *backend.fails = true;
  for (int i = 0; i < 3; ++i) (void)feed(detector, 3.0);
  detector.wait();
  CHECK(detector.stats().failed_retrains == 1);
  CHECK(detector.stats().last_error == "column 0 has no spread");
  CHECK(detector.stats().model_version == 1);
  CHECK(feed(detector, 3.0).raw_score == 3.0);
  *backend.fails = false;
  for (int i = 0; i < 2; ++i) (void)feed(detector, 3.0);
  detector.wait();
  CHECK(detector.stats().failed_retrains == 1);
  CHECK(detector.stats().model_version == 2);
  CHECK(feed(detector, 3.0).raw_score == 0.0);
}

TEST_CASE("a failing first training leaves the detector collecting and is tried again") {
  FailingBackend backend;
  *backend.fails = true;
  StreamingDetector detector(backend, small());
  for (int i = 0; i < 4; ++i) (void)feed(detector, 1.0);
  CHECK(detector.status() == Status::collecting);
  CHECK(detector.stats().failed_retrains == 1);
  *backend.fails = false;
  for (int i = 0; i < 2; ++i) CHECK_FALSE(feed(detector, 1.0).scored);
  CHECK(detector.status() == Status::collecting);
  CHECK_FALSE(feed(detector, 1.0).scored);
  CHECK(detector.status() == Status::ready);
  CHECK(feed(detector, 1.0).scored);
}

TEST_CASE("a backend that throws what is no exception fails as any other") {
  const Retrain mode = GENERATE(Retrain::inline_, Retrain::background);
  ThrowingBackend backend;
  StreamingDetector detector(backend, small(mode), std::make_shared<freshet::ThreadPool>(1));
  for (int i = 0; i < 4; ++i) (void)feed(detector, 0.0);
  *backend.throws = true;
  for (int i = 0; i < 3; ++i) (void)feed(detector, 0.0);
  detector.wait();
  CHECK(detector.stats().failed_retrains == 1);
  CHECK_FALSE(detector.stats().last_error.empty());
  CHECK(feed(detector, 1.0).scored);
}

TEST_CASE("training on request") {
  SECTION("manual: nothing happens until the host asks") {
    StreamingDetector detector(MeanDistance{}, small(Retrain::manual));
    for (int i = 0; i < 3; ++i) (void)feed(detector, 0.0);
    CHECK_FALSE(detector.retrain_due());
    CHECK_THROWS_AS(detector.retrain(), freshet::NotReadyError);
    for (int i = 0; i < 5; ++i) CHECK_FALSE(feed(detector, 0.0).scored);
    CHECK(detector.retrain_due());
    detector.retrain();
    CHECK_FALSE(detector.retrain_due());
    CHECK(feed(detector, 2.0).raw_score == 2.0);
  }
  SECTION("background: a request during a training is served after it") {
    const auto executor = std::make_shared<HeldExecutor>();
    StreamingDetector detector(MeanDistance{}, small(Retrain::background), executor);
    for (int i = 0; i < 7; ++i) (void)feed(detector, 0.0);
    CHECK(executor->n_tasks() == 1);
    for (int i = 0; i < 2; ++i) (void)feed(detector, 12.0);
    detector.retrain();
    CHECK(executor->n_tasks() == 1);
    executor->run_all();
    (void)feed(detector, 12.0);
    CHECK(executor->n_tasks() == 1);
    executor->run_all();
    CHECK(feed(detector, 12.0).raw_score == 6.0);  // 0 0 0 12 12 12
  }
  SECTION("a failure on the calling thread is thrown as well as counted") {
    FailingBackend backend;
    StreamingDetector detector(backend, small());
    for (int i = 0; i < 4; ++i) (void)feed(detector, 0.0);
    *backend.fails = true;
    CHECK_THROWS_AS(detector.retrain(), freshet::FitError);
    CHECK(detector.stats().failed_retrains == 1);
    CHECK(detector.stats().model_version == 1);
  }
}

TEST_CASE("a training that an executor drops counts as failed and blocks nothing") {
  const auto executor = std::make_shared<HeldExecutor>();
  StreamingDetector detector(MeanDistance{}, small(Retrain::background), executor);
  for (int i = 0; i < 7; ++i) (void)feed(detector, 0.0);
  executor->drop_all();
  detector.wait();
  CHECK(detector.status() == Status::ready);
  CHECK(detector.stats().failed_retrains == 1);
}

TEST_CASE("reset goes back to cold start and does not hear of a running training") {
  const auto executor = std::make_shared<HeldExecutor>();
  StreamingDetector detector(MeanDistance{}, small(Retrain::background), executor);
  for (int i = 0; i < 7; ++i) (void)feed(detector, 5.0);
  CHECK(detector.status() == Status::retraining);
  detector.reset();
  executor->run_all();
  CHECK(detector.status() == Status::collecting);
  CHECK(detector.generation() == nullptr);
  const auto stats = detector.stats();
  CHECK(stats.total_processed == 0);
  CHECK(stats.samples_collected == 0);
  CHECK(stats.model_version == 0);
  CHECK(stats.samples_until_ready == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    const Result result = feed(detector, 1.0);
    CHECK(result.index == i);
    CHECK_FALSE(result.scored);
  }
  CHECK(feed(detector, 1.0).raw_score == 0.0);
}

TEST_CASE("a row that is refused changes nothing and says where it is wrong") {
  StreamingConfig config = small();
  config.n_features = 2;
  config.columns = {"cpu", "memory"};
  config.rolling_windows = {3};
  StreamingDetector detector(MeanDistance{}, config);
  StreamingDetector untouched(MeanDistance{}, config);
  freshet::RandomGenerator random(7);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 40; ++i) {
    const auto refused = detector.try_process(std::vector<double>{1.0, nan});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::value_non_finite);
    CHECK(refused.error().column == 1);
    CHECK(detector.try_process(std::vector<double>{-infinity, 0.0}).error().column == 0);
    CHECK(detector.try_process(std::vector<double>{0.0, 2e100}).error().code ==
          ErrorCode::value_out_of_range);
    CHECK(detector.try_process(std::vector<double>{0.0}).error().code == ErrorCode::width_mismatch);
    const std::vector<double> row{random.normal(), random.normal()};
    const Result result = detector.process(row);
    const Result expected = untouched.process(row);
    CHECK(result.index == expected.index);
    CHECK(result.scored == expected.scored);
    if (result.scored) CHECK(result.score == expected.score);
  }
  try {
    (void)detector.process(std::vector<double>{0.0, nan});
    FAIL("expected a DataError");
  } catch (const DataError& error) {
    CHECK(error.id() == "value_non_finite");
    CHECK(error.field() == "memory");
    CHECK(error.row() == 0U);
    CHECK(error.column() == 1U);
    CHECK(std::string(error.what()) == "row 0, column memory: NaN, expected a finite number");
  }
}

TEST_CASE("a batch is processed as its rows would be, or refused as a whole") {
  StreamingDetector one_by_one(MeanDistance{}, small());
  StreamingDetector in_batches(MeanDistance{}, small());
  freshet::RandomGenerator random(3);
  freshet::Matrix rows(50, 1);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) rows(i, 0) = random.normal();

  std::vector<Result> results(50);
  freshet::Matrix bad = rows;
  bad(49, 0) = std::numeric_limits<double>::quiet_NaN();
  try {
    in_batches.process_many(bad, results);
    FAIL("expected a DataError");
  } catch (const DataError& error) {
    CHECK(error.row() == 49U);
  }
  CHECK(in_batches.stats().total_processed == 0);
  CHECK_THROWS_AS(in_batches.process_many(freshet::MatrixView{}, results), DataError);
  CHECK_THROWS_AS(in_batches.process_many(rows, std::span(results).first(49)), DataError);
  CHECK(in_batches.stats().total_processed == 0);

  in_batches.process_many(rows, results);
  for (std::size_t i = 0; i < 50; ++i) {
    const Result expected = one_by_one.process(rows.row(i));
    CHECK(results[i].index == expected.index);
    CHECK(results[i].model_version == expected.model_version);
    CHECK(results[i].status == expected.status);
    if (expected.scored) CHECK(results[i].score == expected.score);
  }
}

TEST_CASE("timestamps must not go back") {
  StreamingConfig config = small();
  SECTION("late rows are refused by default") {
    StreamingDetector detector(MeanDistance{}, config);
    (void)detector.process(std::vector<double>{1.0}, 10.0);
    (void)detector.process(std::vector<double>{1.0}, 10.0);
    CHECK_THROWS_AS(detector.process(std::vector<double>{1.0}, 9.0), DataError);
    CHECK(detector.stats().total_processed == 2);
    const freshet::Matrix rows(3, 1);
    std::vector<Result> results(3);
    CHECK_THROWS_AS(detector.process_many(rows, results, std::vector<double>{11.0, 13.0, 12.0}),
                    DataError);
    CHECK(detector.stats().total_processed == 2);
    detector.process_many(rows, results, std::vector<double>{11.0, 12.0, 12.0});
    CHECK(detector.stats().total_processed == 5);
  }
  SECTION("or dropped and counted") {
    config.out_of_order = freshet::OutOfOrder::drop;
    StreamingDetector detector(MeanDistance{}, config);
    (void)detector.process(std::vector<double>{1.0}, 10.0);
    const Result late = detector.process(std::vector<double>{1.0}, 9.0);
    CHECK_FALSE(late.scored);
    CHECK(detector.stats().total_processed == 1);
    CHECK(detector.stats().dropped == 1);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(detector.try_process(std::vector<double>{1.0}, nan).error().code ==
          ErrorCode::timestamp_invalid);

    // A batch with late rows: as one by one.
    StreamingDetector one_by_one(detector);
    freshet::Matrix rows(40, 1);
    std::vector<double> times(40);
    freshet::RandomGenerator random(4);
    for (std::size_t i = 0; i < 40; ++i) {
      rows(i, 0) = random.normal();
      times[i] = 20.0 + static_cast<double>(i) - (i % 5 == 4 ? 3.0 : 0.0);
    }
    std::vector<Result> results(40);
    detector.process_many(rows, results, times);
    for (std::size_t i = 0; i < 40; ++i) {
      const Result expected = one_by_one.process(rows.row(i), times[i]);
      CHECK(results[i].scored == expected.scored);
      CHECK(results[i].index == expected.index);
      if (expected.scored) CHECK(results[i].score == expected.score);
    }
    CHECK(detector.stats().dropped == 9);
    CHECK(one_by_one.stats().dropped == 9);
  }
}

TEST_CASE("score and explain say what the row would get and keep nothing") {
  StreamingConfig config = small();
  config.n_features = 2;
  config.rolling_windows = {3};
  config.lag_periods = {1};
  config.shingle = 2;
  config.window_size = 9;
  config.scaler = freshet::Scaling::standard;
  StreamingDetector detector(MeanDistance{}, config);
  CHECK_THROWS_AS(detector.score(std::vector<double>{0.0, 0.0}), freshet::NotReadyError);
  freshet::RandomGenerator random(5);
  for (int i = 0; i < 60; ++i) {
    const std::vector<double> row{random.normal(), random.normal()};
    if (detector.generation() == nullptr) {
      (void)detector.process(row);
      continue;
    }
    const freshet::Score expected = detector.score(row);
    const std::vector<double> contributions = detector.explain(row);
    CHECK(contributions.size() == detector.feature_names().size());
    double sum = 0.0;
    for (const double contribution : contributions) sum += contribution;
    const Result result = detector.process(row);
    CHECK(result.raw_score == expected.raw_score);
    CHECK(result.score == expected.score);
    CHECK(sum == Approx(result.raw_score).epsilon(1e-12));
  }
  CHECK_THROWS_AS(detector.score(std::vector<double>{0.0}), DataError);
}

static_assert(std::is_nothrow_move_constructible_v<StreamingDetector<MeanDistance>>);

TEST_CASE("HBOS and LODA train on rolling features that are constant but for rounding") {
  StreamingConfig config{.n_features = 1, .min_samples = 50, .retrain_interval = 20};
  config.window_size = 100;
  config.rolling_windows = {7};
  config.retrain = Retrain::inline_;
  StreamingDetector hbos(freshet::Hbos{}, config);
  StreamingDetector loda(freshet::Loda{}, config);
  const std::vector<double> period{0.1, 7.3, 2.9, 4.4, 0.7, 1.1, 3.3};
  for (std::size_t i = 0; i < 300; ++i) {
    (void)hbos.process(std::vector{period[i % 7]});
    (void)loda.process(std::vector{period[i % 7]});
  }
  CHECK(hbos.stats().failed_retrains == 0);
  CHECK(loda.stats().failed_retrains == 0);
  CHECK(hbos.stats().model_version > 5);
  CHECK(hbos.process(std::vector{50.0}).is_anomaly);
}

TEST_CASE("a copy goes on with the same results, independently") {
  StreamingDetector detector(MeanDistance{}, small());
  for (int i = 0; i < 9; ++i) (void)feed(detector, i);
  StreamingDetector copy(detector);
  (void)feed(copy, 100.0);
  copy.reset();
  StreamingDetector second(detector);
  for (int i = 0; i < 30; ++i) {
    const Result result = feed(detector, i * i % 7);
    const Result copied = feed(second, i * i % 7);
    CHECK(result.raw_score == copied.raw_score);
    CHECK(result.model_version == copied.model_version);
  }
}

TEST_CASE("a setting out of range is an error that names it") {
  StreamingConfig config = small();
  std::string field;
  SECTION("n_features") { config.n_features = 0, field = "n_features"; }
  SECTION("min_samples") { config.min_samples = 1, field = "min_samples"; }
  SECTION("retrain_interval") { config.retrain_interval = 0, field = "retrain_interval"; }
  SECTION("window_size") { config.window_size = 3, field = "window_size"; }
  SECTION("contamination 0") { config.contamination = 0.0, field = "contamination"; }
  SECTION("contamination above 0.5") { config.contamination = 0.6, field = "contamination"; }
  SECTION("contamination NaN") { config.contamination = std::nan(""), field = "contamination"; }
  SECTION("threshold") { config.threshold = std::nan(""), field = "threshold"; }
  SECTION("shingle 0") { config.shingle = 0, field = "shingle"; }
  SECTION("shingle as long as min_samples") { config.shingle = 4, field = "shingle"; }
  SECTION("columns") { config.columns = {"a", "b"}, field = "columns"; }
  SECTION("rolling_windows") { config.rolling_windows = {0}, field = "rolling_windows"; }
  SECTION("lag_periods") { config.lag_periods = {0}, field = "lag_periods"; }
  try {
    StreamingDetector detector(MeanDistance{}, config);
    FAIL("expected a ConfigurationError");
  } catch (const freshet::ConfigurationError& error) {
    CHECK(error.field() == field);
    CHECK_FALSE(error.expected().empty());
  }
}
