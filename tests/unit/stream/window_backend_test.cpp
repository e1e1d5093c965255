// Backends that score windows, and detectors that begin with a model.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "freshet/io/snapshot.hpp"
#include "freshet/stream/streaming_detector.hpp"
#include "support/catch.hpp"
#include "support/toy_backends.hpp"

namespace {

using Catch::Matchers::ContainsSubstring;
using freshet::ConfigurationError;
using freshet::ErrorCode;
using freshet::Generation;
using freshet::Normalization;
using freshet::Normalizer;
using freshet::NotReadyError;
using freshet::Result;
using freshet::Retrain;
using freshet::Status;
using freshet::StreamingConfig;
using freshet::test::MeanDistance;
using freshet::test::WindowMeanDistance;

using Detector = freshet::StreamingDetector<WindowMeanDistance>;

StreamingConfig small(Retrain retrain = Retrain::manual) {
  return {.n_features = 1,
          .min_samples = 5,
          .retrain_interval = 7,
          .window_size = 8,
          .normalization = Normalization::raw,
          .retrain = retrain};
}

/// Windows of 3 rows whose mean is 1, 2, 3.
Generation<WindowMeanDistance> trained() { return {{{1.0, 2.0, 3.0}}, Normalizer{}, 4.0, 20}; }

template <class AnyDetector>
Result feed(AnyDetector& detector, double value) {
  return detector.process(std::vector<double>{value});
}

bool same(const Result& left, const Result& right) {
  return left.scored == right.scored && left.is_anomaly == right.is_anomaly &&
         left.status == right.status &&
         (left.scored ? left.score == right.score && left.raw_score == right.raw_score : true) &&
         left.samples_until_ready == right.samples_until_ready &&
         left.model_version == right.model_version && left.index == right.index;
}

template <class Use>
std::string refused_field(const Use& use) {
  try {
    use();
  } catch (const ConfigurationError& error) {
    CHECK(error.code() == ErrorCode::parameter_out_of_range);
    return error.field();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("which backends score windows") {
  STATIC_REQUIRE(freshet::WindowBackend<WindowMeanDistance>);
  STATIC_REQUIRE_FALSE(freshet::WindowBackend<MeanDistance>);
}

TEST_CASE("the shingle of a window backend is its window") {
  const StreamingConfig config = small(Retrain::inline_);
  Detector detector(WindowMeanDistance{}, config);
  CHECK(detector.config().shingle == 3);
  for (int i = 0; i < 5; ++i) CHECK_FALSE(feed(detector, 0.0).scored);
  CHECK(detector.generation()->n_features() == 3);
  CHECK(feed(detector, 5.0).raw_score == 5.0);
  CHECK(feed(detector, 5.0).raw_score == 10.0);
}

TEST_CASE("a shingle may repeat the window, not contradict it") {
  StreamingConfig config = small();
  config.shingle = 3;
  CHECK(Detector(WindowMeanDistance{}, config).config().shingle == 3);
  for (const std::size_t shingle : {2U, 4U}) {
    config.shingle = shingle;
    CHECK(refused_field([&] { Detector(WindowMeanDistance{}, config); }) == "shingle");
    CHECK(refused_field([&] { Detector(WindowMeanDistance{}, config, trained()); }) == "shingle");
    CHECK_THROWS_WITH(Detector(WindowMeanDistance{}, config), ContainsSubstring("window of 3"));
  }
  config.shingle = 1;  // left alone
  CHECK(refused_field([&] { Detector(WindowMeanDistance{5}, config); }) == "shingle");
}

TEST_CASE("a detector that begins with a model scores from the first full window on") {
  const Retrain retrain = GENERATE(Retrain::manual, Retrain::inline_, Retrain::background);
  Detector detector(WindowMeanDistance{}, small(retrain), trained());
  REQUIRE(detector.generation() != nullptr);
  CHECK(detector.generation()->version() == 1);
  CHECK(detector.stats().model_version == 1);
  CHECK(detector.stats().threshold == 4.0);
  const std::vector<double> next{6.0};
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(detector.status() == Status::collecting);
    CHECK(detector.stats().samples_until_ready == 2 - i);
    try {
      (void)detector.score(next);
      FAIL("scored a part of a window");
    } catch (const NotReadyError& error) {
      CHECK(error.code() == ErrorCode::not_ready);
      CHECK(error.field() == "samples_until_ready");
      CHECK_THAT(error.what(), ContainsSubstring(std::to_string(2 - i) + " more rows"));
    }
    CHECK_THROWS_AS(detector.explain(next), NotReadyError);
    const Result result = feed(detector, static_cast<double>(i) + 1.0);
    CHECK_FALSE(result.scored);
    CHECK(result.model_version == 0);
    CHECK(result.status == Status::collecting);
    CHECK(result.samples_until_ready == 1 - i);
  }
  CHECK(detector.stats().samples_until_ready == 0);
  CHECK(detector.score(next).raw_score == 3.0);
  CHECK(detector.explain(next) == std::vector<double>{3.0});
  Result result = feed(detector, 6.0);
  CHECK(result.scored);
  CHECK(result.raw_score == 3.0);
  CHECK(result.score == 3.0);
  CHECK_FALSE(result.is_anomaly);
  CHECK(result.model_version == 1);
  CHECK(result.status == Status::ready);
  CHECK(result.samples_until_ready == 0);
  result = feed(detector, 8.0);  // 2 6 8
  CHECK(result.raw_score == 10.0);
  CHECK(result.is_anomaly);
  CHECK(detector.explain(next) == std::vector<double>{14.0});  // 6 8 6: 5 + 6 + 3
}

TEST_CASE("a detector that begins with a model goes on from a snapshot of any moment") {
  const Retrain retrain = GENERATE(Retrain::manual, Retrain::inline_);
  Detector detector(WindowMeanDistance{}, small(retrain), trained());
  for (int i = 0; i < 20; ++i) {
    CAPTURE(i);
    const auto bytes = freshet::snapshot(detector);
    auto restored = freshet::restore<Detector>(bytes);
    CHECK(freshet::snapshot(restored) == bytes);
    CHECK(restored.config() == detector.config());
    CHECK(restored.status() == detector.status());
    CHECK(restored.stats().samples_until_ready == detector.stats().samples_until_ready);
    auto whole = detector;
    for (int k = i; k < 30; ++k) REQUIRE(same(feed(restored, k % 6), feed(whole, k % 6)));
    (void)feed(detector, i % 6);
  }
}

TEST_CASE("the model that a detector begins with counts as a training") {
  SECTION("the first interval begins with the first row") {
    Detector detector(WindowMeanDistance{}, small(Retrain::inline_), trained());
    for (int i = 0; i < 7; ++i) {
      CHECK_FALSE(detector.retrain_due());
      (void)feed(detector, 0.0);
      CHECK(detector.stats().model_version == (i < 6 ? 1 : 2));
    }
    CHECK(feed(detector, 1.0).raw_score == 1.0);  // by the model of seven zeros
    for (int i = 0; i < 6; ++i) (void)feed(detector, 0.0);
    CHECK(detector.stats().model_version == 3);
  }
  SECTION("never before there are min_samples rows") {
    StreamingConfig config = small(Retrain::inline_);
    config.retrain_interval = 1;
    Detector detector(WindowMeanDistance{}, config, trained());
    for (std::size_t i = 1; i <= 8; ++i) {
      (void)feed(detector, 0.0);
      CHECK(detector.stats().model_version == (i < 5 ? 1 : i - 3));
    }
  }
  SECTION("in the background") {
    const auto executor = std::make_shared<freshet::test::HeldExecutor>();
    Detector detector(WindowMeanDistance{}, small(Retrain::background), trained(), executor);
    for (int i = 0; i < 7; ++i) (void)feed(detector, 0.0);
    CHECK(detector.status() == Status::retraining);
    REQUIRE(executor->n_tasks() == 1);
    CHECK(feed(detector, 6.0).model_version == 1);
    executor->run_all();
    CHECK(feed(detector, 6.0).model_version == 2);
  }
  SECTION("manual: never by itself, yet when asked") {
    Detector detector(WindowMeanDistance{}, small(Retrain::manual), trained());
    for (int i = 0; i < 50; ++i) (void)feed(detector, 0.0);
    CHECK(detector.stats().model_version == 1);
    CHECK(detector.retrain_due());
    detector.retrain();
    CHECK(detector.stats().model_version == 2);
    CHECK_FALSE(detector.retrain_due());
  }
}

TEST_CASE("reset forgets the model that a detector began with") {
  Detector detector(WindowMeanDistance{}, small(Retrain::inline_), trained());
  for (int i = 0; i < 4; ++i) (void)feed(detector, 0.0);
  detector.reset();
  CHECK(detector.generation() == nullptr);
  CHECK(detector.status() == Status::collecting);
  CHECK(detector.stats().samples_until_ready == 5);
  CHECK(detector.stats().model_version == 0);
  CHECK_THROWS_AS(detector.score(std::vector<double>{0.0}), NotReadyError);
  // As a detector that began without one.
  Detector fresh(WindowMeanDistance{}, small(Retrain::inline_));
  for (int i = 0; i < 20; ++i) REQUIRE(same(feed(detector, i % 4), feed(fresh, i % 4)));
}

TEST_CASE("a model of another width is refused") {
  const auto refused = [](const WindowMeanDistance& backend, const StreamingConfig& config) {
    return refused_field([&] { Detector(backend, config, trained()); });
  };
  StreamingConfig config = small();
  CHECK(refused(WindowMeanDistance{}, config) == "nothing");
  CHECK(refused(WindowMeanDistance{4}, config) == "n_features");
  CHECK(refused(WindowMeanDistance{2}, config) == "n_features");
  config.n_features = 2;
  CHECK(refused(WindowMeanDistance{}, config) == "n_features");
  config.n_features = 1;
  config.lag_periods = {1};
  CHECK(refused(WindowMeanDistance{}, config) == "n_features");
}

TEST_CASE("engineered features make a window wider") {
  StreamingConfig config = small();
  config.lag_periods = {1};
  const Generation<WindowMeanDistance> wide{{std::vector<double>(6, 0.0)}, Normalizer{}, 1.0, 0};
  Detector detector(WindowMeanDistance{}, config, wide);
  for (int i = 0; i < 2; ++i) CHECK_FALSE(feed(detector, 1.0).scored);
  CHECK(feed(detector, 1.0).scored);
  CHECK(detector.explain(std::vector<double>{1.0}).size() == 2);
}

TEST_CASE("backends of single rows may begin with a model too") {
  const Generation<MeanDistance> rows{{{10.0}}, Normalizer{}, 0.5, 3};
  freshet::StreamingDetector detector(MeanDistance{}, small(), rows);
  CHECK(detector.stats().samples_until_ready == 0);
  CHECK(detector.score(std::vector<double>{12.0}).raw_score == 2.0);
  const Result first = feed(detector, 11.0);
  CHECK(first.scored);
  CHECK(first.raw_score == 1.0);
  CHECK(first.is_anomaly);
  CHECK(first.status == Status::ready);
}
