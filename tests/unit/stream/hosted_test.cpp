// Trainings that the host runs and publishes.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "freshet/core/random.hpp"
#include "freshet/io/snapshot.hpp"
#include "freshet/stream/detector_pool.hpp"
#include "freshet/stream/streaming_detector.hpp"
#include "support/catch.hpp"
#include "support/toy_backends.hpp"

namespace {

using freshet::Generation;
using freshet::Normalization;
using freshet::Result;
using freshet::Retrain;
using freshet::Statistics;
using freshet::Status;
using freshet::StreamingConfig;
using freshet::test::FailingBackend;
using freshet::test::HeldExecutor;
using freshet::test::MeanDistance;
using freshet::test::WarmStartToy;

using Detector = freshet::StreamingDetector<MeanDistance>;

StreamingConfig small(Retrain retrain = Retrain::hosted) {
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

template <class Detector>
void feed(Detector& detector, double value, int times) {
  for (int i = 0; i < times; ++i) (void)feed(detector, value);
}

/// Four zeros, a model, three sixes: the second training is due.
Detector due() {
  Detector detector(MeanDistance{}, small());
  feed(detector, 0.0, 4);
  feed(detector, 6.0, 3);
  return detector;
}

}  // namespace

TEST_CASE("the first model is trained in the call, a later one when the host publishes it") {
  Detector detector(MeanDistance{}, small());
  feed(detector, 0.0, 4);
  CHECK(detector.status() == Status::ready);
  CHECK(detector.training() == nullptr);
  feed(detector, 6.0, 2);
  CHECK(detector.training() == nullptr);
  CHECK(feed(detector, 6.0).status == Status::retraining);
  const auto training = detector.training();
  REQUIRE(training != nullptr);
  CHECK(training->version() == 2);
  CHECK(training->rows().n_rows() == 6);

  const auto model = training->run();
  CHECK(feed(detector, 6.0).raw_score == 6.0);  // run, but not published
  CHECK(detector.training() == training);
  CHECK(detector.publish(model));
  CHECK(detector.training() == nullptr);
  CHECK(detector.status() == Status::ready);
  CHECK(detector.generation() == model);
  const Result result = feed(detector, 6.0);
  CHECK(result.model_version == 2);
  CHECK(result.raw_score == 3.0);  // 0 0 0 6 6 6, as at the row that made it due
}

TEST_CASE("a host that never publishes keeps the model at hand") {
  Detector detector = due();
  const auto training = detector.training();
  for (int i = 0; i < 50; ++i) {
    const Result result = feed(detector, 6.0);
    REQUIRE(result.model_version == 1);
    REQUIRE(result.raw_score == 6.0);
    REQUIRE(result.status == Status::retraining);
  }
  CHECK(detector.training() == training);
  SECTION("and what became due meanwhile is due with the next row") {
    CHECK(detector.publish(training->run()));
    CHECK(detector.training() == nullptr);
    feed(detector, 6.0, 1);
    REQUIRE(detector.training() != nullptr);
    CHECK(detector.training()->version() == 3);
    CHECK(detector.training()->run()->model().means == std::vector{6.0});
  }
}

TEST_CASE("nothing but the model that follows is taken over") {
  Detector detector = due();
  const auto model = detector.training()->run();
  const auto first = detector.generation();
  const auto before = freshet::snapshot(detector);
  for (const std::uint64_t number : {0, 1, 3, 4}) {
    CHECK_FALSE(detector.publish(
        std::make_shared<const Generation<MeanDistance>>(model->with_version(number))));
  }
  CHECK(freshet::snapshot(detector) == before);
  CHECK(detector.generation() == first);
  CHECK(detector.publish(model));
  CHECK_FALSE(detector.publish(model));

  SECTION("a copy trained it") {
    Detector one = due();
    Detector other(one);
    CHECK(other.publish(one.training()->run()));
    CHECK(other.training() == nullptr);
    CHECK(one.training() != nullptr);
  }
  SECTION("of another width") {
    const Generation<MeanDistance> wide{{{1.0, 2.0}}, freshet::Normalizer{}, 1.0, 0};
    const auto bytes = freshet::snapshot(detector);
    CHECK_THROWS_AS(
        detector.publish(std::make_shared<const Generation<MeanDistance>>(wide.with_version(3))),
        freshet::ConfigurationError);
    CHECK(freshet::snapshot(detector) == bytes);
  }
}

TEST_CASE("a model that nobody asked for counts as just trained") {
  const auto model = std::make_shared<const Generation<MeanDistance>>(
      freshet::test::MeanDistanceModel{{2.0}}, freshet::Normalizer{}, 1.0, 9);
  const Retrain retrain = GENERATE(Retrain::hosted, Retrain::inline_, Retrain::manual);
  Detector detector(MeanDistance{}, small(retrain));
  feed(detector, 0.0, 3);
  CHECK(detector.publish(model));
  CHECK(detector.stats().samples_since_retrain == 0);
  CHECK(detector.status() == Status::ready);
  feed(detector, 0.0, 2);
  CHECK(feed(detector, 0.0).raw_score == 2.0);
  CHECK((detector.training() != nullptr) == (retrain == Retrain::hosted));
  CHECK((detector.stats().model_version == 2) == (retrain == Retrain::inline_));
}

TEST_CASE("a threshold in the settings stays what it is") {
  StreamingConfig config = small();
  config.threshold = 2.5;
  Detector detector(MeanDistance{}, config);
  const auto model = std::make_shared<const Generation<MeanDistance>>(
      freshet::test::MeanDistanceModel{{0.0}}, freshet::Normalizer{}, 100.0, 9);
  feed(detector, 0.0, 3);
  CHECK(detector.publish(model));
  CHECK(detector.stats().threshold == 2.5);
  CHECK(feed(detector, 3.0).is_anomaly);
  CHECK(&detector.generation()->model() == &model->model());  // the same memory
  CHECK(model->threshold() == 100.0);

  const Detector beginning(MeanDistance{}, config, *model);
  CHECK(beginning.stats().threshold == 2.5);
  CHECK(&beginning.generation()->model() == &model->model());
}

TEST_CASE("publishing drops a training that runs in the background") {
  const auto executor = std::make_shared<HeldExecutor>();
  Detector detector(MeanDistance{}, small(Retrain::background), executor);
  feed(detector, 0.0, 7);
  REQUIRE(detector.status() == Status::retraining);
  const auto model = std::make_shared<const Generation<MeanDistance>>(
      Generation<MeanDistance>{{{2.0}}, freshet::Normalizer{}, 1.0, 9}.with_version(2));
  CHECK(detector.publish(model));
  CHECK(detector.status() == Status::ready);
  executor->run_all();
  detector.wait();
  CHECK(feed(detector, 0.0).raw_score == 2.0);
  CHECK(detector.stats().model_version == 2);
}

TEST_CASE("an abandoned training is a failed one, and the next interval tries again") {
  Detector detector = due();
  const auto training = detector.training();
  CHECK_FALSE(detector.abandon_training("a mistake", 3));
  CHECK(detector.training() == training);
  CHECK(detector.abandon_training("out of luck"));
  CHECK_FALSE(detector.abandon_training("once is enough"));
  CHECK(detector.status() == Status::ready);
  CHECK(detector.stats().failed_retrains == 1);
  CHECK(detector.stats().last_error == "out of luck");
  feed(detector, 6.0, 2);
  CHECK(detector.training() == nullptr);
  feed(detector, 6.0, 1);
  REQUIRE(detector.training() != nullptr);
  CHECK(detector.training()->version() == 2);
  CHECK(detector.training()->run()->model().means == std::vector{6.0});
}

TEST_CASE("a training that fails throws where it is run") {
  FailingBackend backend;
  freshet::StreamingDetector detector(backend, small());
  feed(detector, 0.0, 7);
  const auto training = detector.training();
  *backend.fails = true;
  CHECK_THROWS_AS(training->run(), freshet::FitError);
  CHECK(detector.training() == training);
  *backend.fails = false;
  CHECK(detector.publish(training->run()));
}

TEST_CASE("a training begins with the active model and can be stopped") {
  freshet::StreamingDetector detector(WarmStartToy{}, small());
  feed(detector, 1.0, 7);
  const auto log = detector.backend().log;
  const auto training = detector.training();
  const auto model = training->run();
  CHECK(log->previous().back() == std::vector{1.0});
  log->block();
  std::atomic<bool> stopped = false;
  std::thread host([&] {
    try {
      (void)training->run();
    } catch (const freshet::FitError& error) {
      stopped = error.code() == freshet::ErrorCode::fit_cancelled;
    }
  });
  REQUIRE(log->await_begun(3));
  training->cancel();
  host.join();
  CHECK(stopped);
}

TEST_CASE("a training outlives its detector") {
  std::optional<Detector> detector(due());
  const auto training = detector->training();
  SECTION("destroyed") { detector.reset(); }
  SECTION("reset") {
    detector->reset();
    CHECK(detector->training() == nullptr);
    CHECK(detector->status() == Status::collecting);
    CHECK_FALSE(detector->publish(training->run()));
  }
  CHECK(training->run()->model().means == std::vector{3.0});
}

TEST_CASE("training on request is the host's, too") {
  Detector detector(MeanDistance{}, small());
  CHECK_THROWS_AS(detector.retrain(), freshet::NotReadyError);
  feed(detector, 0.0, 5);
  detector.retrain();
  REQUIRE(detector.training() != nullptr);
  CHECK(detector.training()->rows().n_rows() == 5);
  SECTION("one that is asked for meanwhile comes right after it") {
    feed(detector, 5.0, 1);
    detector.retrain();
    const auto before = freshet::snapshot(detector);
    CHECK(detector.training()->rows().n_rows() == 5);
    if (GENERATE(true, false)) {
      CHECK(detector.publish(detector.training()->run()));
    } else {
      CHECK(detector.abandon_training("slow"));
    }
    REQUIRE(detector.training() != nullptr);
    CHECK(detector.training()->rows().n_rows() == 6);
  }
}

TEST_CASE("waiting does not wait for the host") {
  Detector detector = due();
  CHECK_FALSE(detector.waiter());
  detector.wait();
  detector.adopt();
  CHECK(detector.status() == Status::retraining);
}

TEST_CASE("a snapshot has the training that waits") {
  Detector detector = due();
  feed(detector, 100.0, 2);
  const auto executor = std::make_shared<HeldExecutor>();
  const auto bytes = freshet::snapshot(detector);
  auto restored = freshet::restore<Detector>(bytes, executor);
  CHECK(executor->n_tasks() == 0);
  CHECK(restored.status() == Status::retraining);
  CHECK(freshet::snapshot(restored) == bytes);
  REQUIRE(restored.training() != nullptr);
  CHECK(restored.training()->version() == 2);
  CHECK(restored.training()->run()->model().means == std::vector{3.0});
  CHECK(restored.publish(detector.training()->run()));
}

TEST_CASE("checking says what processing would, and changes nothing") {
  StreamingConfig config = small();
  config.out_of_order = GENERATE(freshet::OutOfOrder::error, freshet::OutOfOrder::drop);
  Detector detector(MeanDistance{}, config);
  (void)detector.process(std::vector<double>{0.0}, 10.0);
  const double bad = std::numeric_limits<double>::quiet_NaN();
  struct Input {
    std::vector<double> values;
    std::size_t n_columns;
    std::vector<double> times;
  };
  const std::vector<Input> inputs{{{1.0, 2.0}, 1, {}},       {{1.0, bad}, 1, {}},
                                  {{1.0, 2.0}, 2, {}},       {{}, 1, {}},
                                  {{1.0, 2.0}, 1, {11, 12}}, {{1.0, 2.0}, 1, {9, 12}},
                                  {{1.0, 2.0}, 1, {12, 11}}, {{1.0, 2.0}, 1, {11, bad}},
                                  {{1.0, 2.0}, 1, {11}},     {{1.0, 1e101}, 1, {}}};
  for (const auto& [values, n_columns, times] : inputs) {
    const freshet::MatrixView rows(values.data(), values.size() / n_columns, n_columns);
    const auto error_of = [](const std::function<void()>& call) -> std::optional<std::string> {
      try {
        call();
      } catch (const freshet::DataError& error) {
        return error.what();
      }
      return std::nullopt;
    };
    const auto before = freshet::snapshot(detector);
    const auto checked = error_of([&] { detector.check(rows, times); });
    CHECK(freshet::snapshot(detector) == before);
    std::vector<Result> results(rows.n_rows());
    Detector copy(detector);
    CHECK(checked == error_of([&] { copy.process_many(rows, results, times); }));
  }
}

TEST_CASE("a pool has streams that were added, and asks about those it has not") {
  freshet::DetectorPool<Detector> pool([] { return Detector(MeanDistance{}, small()); });
  CHECK(pool.add("one", due()));
  CHECK_FALSE(pool.add("one", Detector(MeanDistance{}, small())));
  const auto version_of = [](Detector& detector) { return detector.stats().model_version; };
  CHECK(pool.with_existing("one", version_of) == 1);
  CHECK(pool.with_existing_or_fresh("one", version_of) == 1);
  CHECK(pool.with_existing_or_fresh("two", version_of) == 0);
  CHECK_FALSE(pool.contains("two"));
}

namespace {

/// What a service writes down: enough to do the same again.
struct Event {
  enum class Kind : std::uint8_t { row, publish, abandon, reset, retrain } kind;
  double value = 0.0;
  std::shared_ptr<const Generation<MeanDistance>> model;
};

std::string observed(const Detector& detector, const std::optional<Result>& result) {
  freshet::ArchiveWriter writer;
  Statistics stats = detector.stats();
  const auto training = detector.training();
  writer(stats.status, stats.model_version, stats.samples_collected, stats.total_processed,
         stats.samples_since_retrain, stats.samples_until_ready, stats.failed_retrains,
         stats.last_error, stats.threshold, training == nullptr ? 0 : training->version());
  if (training) writer(training->rows());
  if (result) {
    writer(result->scored, result->status, result->score, result->raw_score, result->index,
           result->model_version, result->is_anomaly, result->samples_until_ready);
  }
  return {reinterpret_cast<const char*>(writer.bytes().data()), writer.bytes().size()};
}

std::string apply(Detector& detector, const Event& event) {
  switch (event.kind) {
    case Event::Kind::row:
      return observed(detector, feed(detector, event.value));
    case Event::Kind::publish:
      return observed(detector, std::nullopt) + (detector.publish(event.model) ? "yes" : "no");
    case Event::Kind::abandon:
      (void)detector.abandon_training("event " + std::to_string(event.value));
      break;
    case Event::Kind::reset:
      detector.reset();
      break;
    case Event::Kind::retrain:
      try {
        detector.retrain();
      } catch (const freshet::NotReadyError&) {
        return "not ready";
      }
  }
  return observed(detector, std::nullopt);
}

}  // namespace

TEST_CASE("the same order of calls gives the same results to the bit") {
  const auto seed = GENERATE(range(0, 20));
  freshet::RandomGenerator random(static_cast<std::uint64_t>(seed));
  StreamingConfig config = small();
  config.lag_periods = {1};
  config.shingle = 2;
  config.scaler = freshet::Scaling::standard;
  Detector detector(MeanDistance{}, config);
  std::vector<Event> events;
  std::vector<std::string> seen;
  std::shared_ptr<const Generation<MeanDistance>> ready;
  for (int i = 0; i < 300; ++i) {
    Event event{.kind = Event::Kind::row, .value = random.normal(), .model = nullptr};
    const std::uint64_t dice = random.below(100);
    if (dice < 10 && detector.training()) ready = detector.training()->run();
    if (dice >= 10 && dice < 20 && ready) {  // perhaps too late
      event = {Event::Kind::publish, 0.0, ready};
    } else if (dice >= 20 && dice < 24) {
      event = {Event::Kind::abandon, static_cast<double>(i), nullptr};
    } else if (dice == 24) {
      event.kind = Event::Kind::reset;
    } else if (dice >= 25 && dice < 28) {
      event.kind = Event::Kind::retrain;
    }
    seen.push_back(apply(detector, event));
    events.push_back(std::move(event));
  }
  CHECK(detector.stats().total_processed > 0);

  // Again from the beginning, with a training that nobody publishes, a restored detector and a look
  // at the state now and then: none of it may show.
  Detector replayed(MeanDistance{}, config);
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (random.below(10) == 0) replayed = freshet::restore<Detector>(freshet::snapshot(replayed));
    if (random.below(10) == 0) replayed.wait();
    if (random.below(10) == 0 && replayed.training()) (void)replayed.training()->run();
    REQUIRE(apply(replayed, events[i]) == seen[i]);
  }
}
