// Trainings that begin with the active model and can be stopped.

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "freshet/io/snapshot.hpp"
#include "freshet/stream/streaming_detector.hpp"
#include "support/catch.hpp"
#include "support/toy_backends.hpp"

namespace {

using freshet::Normalization;
using freshet::Retrain;
using freshet::Status;
using freshet::StreamingConfig;
using freshet::test::HeldExecutor;
using freshet::test::MeanDistance;
using freshet::test::TrainingLog;
using freshet::test::WarmStartToy;

using Detector = freshet::StreamingDetector<WarmStartToy>;
using Previous = std::vector<std::optional<std::vector<double>>>;

StreamingConfig small(Retrain retrain) {
  return {.n_features = 1,
          .min_samples = 4,
          .retrain_interval = 3,
          .window_size = 4,
          .normalization = Normalization::raw,
          .retrain = retrain};
}

void feed(Detector& detector, double value, int times) {
  for (int i = 0; i < times; ++i) (void)detector.process(std::vector<double>{value});
}

/// A detector whose second training, on a thread of its own, has begun and lasts until it is told
/// to stop.
struct Busy {
  std::shared_ptr<TrainingLog> log = std::make_shared<TrainingLog>();
  std::shared_ptr<freshet::Executor> executor = std::make_shared<freshet::ThreadPool>(1);
  std::optional<Detector> detector{std::in_place, WarmStartToy{log}, small(Retrain::background),
                                   executor};

  Busy() {
    log->block();
    feed(*detector, 1.0, 7);
    REQUIRE(log->await_begun(2));
    REQUIRE(detector->status() == Status::retraining);
    REQUIRE_FALSE(log->stop_requested());
  }
};

}  // namespace

TEST_CASE("which backends begin with a model") {
  STATIC_REQUIRE(freshet::WarmStartBackend<WarmStartToy>);
  STATIC_REQUIRE_FALSE(freshet::WarmStartBackend<MeanDistance>);
}

TEST_CASE("the first training begins with nothing, each later one with the active model") {
  SECTION("inline") {
    Detector detector(WarmStartToy{}, small(Retrain::inline_));
    feed(detector, 1.0, 4);
    feed(detector, 5.0, 3);  // 1 5 5 5
    feed(detector, 5.0, 3);
    CHECK(detector.backend().log->previous() == Previous{std::nullopt, {{1.0}}, {{4.0}}});
  }
  SECTION("manual") {
    Detector detector(WarmStartToy{}, small(Retrain::manual));
    feed(detector, 1.0, 4);
    detector.retrain();
    feed(detector, 5.0, 1);
    detector.retrain();
    CHECK(detector.backend().log->previous() == Previous{std::nullopt, {{1.0}}});
  }
  SECTION("background") {
    const auto executor = std::make_shared<HeldExecutor>();
    Detector detector(WarmStartToy{}, small(Retrain::background), executor);
    feed(detector, 1.0, 4);
    for (int round = 0; round < 2; ++round) {
      feed(detector, 5.0, 3);
      REQUIRE(executor->n_tasks() == 1);
      executor->run_all();
      detector.adopt();
    }
    CHECK(detector.backend().log->previous() == Previous{std::nullopt, {{1.0}}, {{4.0}}});
  }
  SECTION("a model that was trained elsewhere") {
    const freshet::Generation<WarmStartToy> elsewhere{{{7.0}}, freshet::Normalizer{}, 1.0, 0};
    Detector detector(WarmStartToy{}, small(Retrain::inline_), elsewhere);
    feed(detector, 1.0, 4);
    CHECK(detector.backend().log->previous() == Previous{{{7.0}}});
  }
  SECTION("after a reset, with nothing again") {
    Detector detector(WarmStartToy{}, small(Retrain::inline_));
    feed(detector, 1.0, 4);
    detector.reset();
    feed(detector, 1.0, 4);
    CHECK(detector.backend().log->previous() == Previous{std::nullopt, std::nullopt});
  }
}

TEST_CASE("a training that a snapshot interrupted begins with the active model again") {
  const auto executor = std::make_shared<HeldExecutor>();
  Detector detector(WarmStartToy{}, small(Retrain::background), executor);
  feed(detector, 1.0, 4);
  feed(detector, 5.0, 3);
  REQUIRE(executor->n_tasks() == 1);

  const auto second = std::make_shared<HeldExecutor>();
  auto restored = freshet::restore<Detector>(freshet::snapshot(detector), second);
  REQUIRE(second->n_tasks() == 1);
  CHECK(restored.backend().log->previous().empty());
  second->run_all();
  restored.adopt();
  CHECK(restored.backend().log->previous() == Previous{{{1.0}}});
  CHECK(restored.stats().model_version == 2);
  CHECK(restored.generation()->model().means == std::vector<double>{4.0});
}

TEST_CASE("reset stops the training that runs") {
  Busy busy;
  busy.detector->reset();
  CHECK(busy.log->stop_requested());
  CHECK(busy.log->await_stopped(1));
  CHECK(busy.detector->status() == Status::collecting);
  CHECK(busy.detector->stats().failed_retrains == 0);  // nobody hears of it
}

TEST_CASE("the end of a detector stops its training") {
  Busy busy;
  SECTION("destroyed") { busy.detector.reset(); }
  SECTION("replaced") { *busy.detector = Detector(WarmStartToy{}, small(Retrain::manual)); }
  CHECK(busy.log->stop_requested());
  CHECK(busy.log->await_stopped(1));
}

TEST_CASE("a training that copies share runs until the last of them lets go") {
  Busy busy;
  std::optional<Detector> copy(*busy.detector);
  std::optional<Detector> third(*copy);
  busy.detector.reset();
  CHECK_FALSE(busy.log->stop_requested());
  CHECK(copy->status() == Status::retraining);
  copy->reset();
  CHECK_FALSE(busy.log->stop_requested());
  third.reset();
  CHECK(busy.log->stop_requested());
  CHECK(busy.log->await_stopped(1));
}

TEST_CASE("moving a detector does not stop its training") {
  Busy busy;
  std::optional<Detector> moved(std::move(*busy.detector));
  busy.detector.reset();
  CHECK_FALSE(busy.log->stop_requested());
  CHECK(moved->status() == Status::retraining);
  moved.reset();
  CHECK(busy.log->await_stopped(1));
}

TEST_CASE("who waits for a training keeps it running") {
  Busy busy;
  auto waiter = busy.detector->waiter();
  busy.detector->reset();
  CHECK_FALSE(busy.log->stop_requested());
  waiter = {};
  CHECK(busy.log->await_stopped(1));
}

TEST_CASE("a training that is stopped before it begins ends at once") {
  const auto executor = std::make_shared<HeldExecutor>();
  const auto log = std::make_shared<TrainingLog>();
  log->block();
  Detector detector(WarmStartToy{log}, small(Retrain::background), executor);
  feed(detector, 1.0, 7);
  detector.reset();
  executor->run_all();
  CHECK(log->await_stopped(1));
}
