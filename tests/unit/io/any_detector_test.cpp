#include "freshet/io/any_detector.hpp"

#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/backends/hbos.hpp"
#include "freshet/core/random.hpp"
#include "freshet/io/snapshot.hpp"
#include "freshet/stream/streaming_detector.hpp"
#include "support/catch.hpp"

namespace {

using freshet::AnyDetector;
using freshet::Result;
using nlohmann::json;

std::vector<double> random_row(freshet::RandomGenerator& random) {
  return {random.normal(), random.normal()};
}

}  // namespace

TEST_CASE("a detector made from JSON gives the results of the static one") {
  AnyDetector any(json::parse(R"({
    "backend": "hbos", "backend_params": {"n_bins": 7, "alpha": 0.2},
    "columns": ["cpu", "memory"], "min_samples": 20, "retrain_interval": 10, "window_size": 50,
    "rolling_windows": [3], "lag_periods": [1, 2], "scaler": "standard", "retrain": "inline",
    "normalization": "zscore", "threshold": 1.5, "shingle": 2, "seed": 4})"));
  freshet::StreamingConfig config{.n_features = 2, .min_samples = 20, .retrain_interval = 10};
  config.window_size = 50;
  config.rolling_windows = {3};
  config.lag_periods = {1, 2};
  config.scaler = freshet::Scaling::standard;
  config.retrain = freshet::Retrain::inline_;
  config.normalization = freshet::Normalization::zscore;
  config.threshold = 1.5;
  config.shingle = 2;
  config.seed = 4;
  config.columns = {"cpu", "memory"};
  CHECK(any.config() == config);
  freshet::StreamingDetector expected(freshet::Hbos{.n_bins = 7, .alpha = 0.2}, config);
  freshet::RandomGenerator random(2);
  for (int i = 0; i < 100; ++i) {
    const auto row = random_row(random);
    const Result result = any.process(row);
    const Result same = expected.process(row);
    CHECK(result.scored == same.scored);
    CHECK(result.is_anomaly == same.is_anomaly);
    if (same.scored) CHECK(result.score == same.score);
  }
  CHECK(any.explain(random_row(random)).size() == any.feature_names().size());
  CHECK(any.feature_names()[2] == "cpu_rolling_mean_3");
  CHECK(any.feature_columns()[2] == 0);
}

TEST_CASE("settings survive the way to JSON and back") {
  const AnyDetector detector(json::parse(R"({"backend": "hbos", "backend_params":
    {"n_bins": "auto"}, "n_features": 3, "contamination": 0.05})"));
  const json settings = detector.settings();
  CHECK(settings["backend_params"] == json::parse(R"({"n_bins": "auto", "alpha": 0.1,
                                                      "tol": 0.5})"));
  CHECK(settings["contamination"] == 0.05);
  CHECK(settings["retrain"] == "background");
  CHECK(settings["threshold"].is_null());
  CHECK(AnyDetector(settings).settings() == settings);
}

TEST_CASE("the first row that is accepted decides the width") {
  AnyDetector detector(json::object());
  CHECK(detector.config().n_features == 0);
  CHECK(detector.stats().samples_until_ready == 50);
  CHECK_THROWS_AS(detector.explain(std::vector{1.0}), freshet::NotReadyError);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(detector.process(std::vector{1.0, nan}), freshet::DataError);
  CHECK(detector.config().n_features == 0);
  CHECK(detector.process(std::vector{1.0, 2.0, 3.0}).index == 0);
  CHECK(detector.config().n_features == 3);
  CHECK_THROWS_AS(detector.process(std::vector{1.0}), freshet::DataError);

  AnyDetector named(json::object());
  named.name_columns({"a", "b"});
  CHECK(named.config().columns == std::vector<std::string>{"a", "b"});
  CHECK(named.config().n_features == 2);
  CHECK_THROWS_AS(AnyDetector(json::object()).name_columns({"a", "a"}),
                  freshet::ConfigurationError);
  CHECK_THROWS_AS(detector.name_columns({"a", "b", "c"}), freshet::ConfigurationError);
  CHECK(detector.stats().total_processed == 1);
}

TEST_CASE("a first batch decides the width, unless it is refused") {
  AnyDetector detector(json::parse(R"({"retrain": "manual", "min_samples": 5})"));
  freshet::Matrix rows(9, 2);
  std::vector<Result> results(9);
  rows(8, 1) = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(detector.process_many(rows, results), freshet::DataError);
  CHECK(detector.config().n_features == 0);
  rows(8, 1) = 1.0;
  detector.process_many(rows, results);
  CHECK(detector.config().n_features == 2);
  CHECK(results[8].index == 8);
  CHECK(detector.retrain_due());

  AnyDetector copy(detector);
  detector.retrain();
  CHECK(detector.stats().model_version == 1);
  CHECK(copy.stats().model_version == 0);
  CHECK_FALSE(detector.retrain_due());
  CHECK(detector.score(rows.row(8)).raw_score == detector.process(rows.row(8)).raw_score);
  detector.reset();
  CHECK(detector.stats().total_processed == 0);
  CHECK(detector.config().n_features == 2);
}

TEST_CASE("every mistake in the settings is named") {
  const auto [settings, field, id] = GENERATE(table<std::string, std::string, std::string>({
      {R"([])", "settings", "parameter_type"},
      {R"({"colums": ["a"]})", "colums", "parameter_unknown"},
      {R"({"backend": "magic"})", "backend", "backend_unknown"},
      {R"({"backend": 3})", "backend", "parameter_type"},
      {R"({"backend_params": {"bins": 3}})", "backend_params.bins", "parameter_unknown"},
      {R"({"backend_params": {"variant": "x"}})", "backend_params.variant",
       "parameter_out_of_range"},
      {R"({"backend": "hbos", "backend_params": {"n_bins": 1}})", "n_bins",
       "parameter_out_of_range"},
      {R"({"backend": "hbos", "backend_params": {"n_bins": "many"}})", "backend_params.n_bins",
       "parameter_type"},
      {R"({"min_samples": "50"})", "min_samples", "parameter_type"},
      {R"({"min_samples": -1})", "min_samples", "parameter_out_of_range"},
      {R"({"min_samples": 1})", "min_samples", "parameter_out_of_range"},
      {R"({"window_size": 10})", "window_size", "parameter_out_of_range"},
      {R"({"contamination": 0.7})", "contamination", "parameter_out_of_range"},
      {R"({"contamination": "low"})", "contamination", "parameter_type"},
      {R"({"normalization": "soft"})", "normalization", "parameter_out_of_range"},
      {R"({"rolling_windows": 5})", "rolling_windows", "parameter_type"},
      {R"({"rolling_windows": [5, "a"]})", "rolling_windows[1]", "parameter_type"},
      {R"({"rolling_windows": [0]})", "rolling_windows", "parameter_out_of_range"},
      {R"({"columns": ["a"], "n_features": 2})", "columns", "parameter_out_of_range"},
  }));
  CAPTURE(settings);
  try {
    const AnyDetector detector(json::parse(settings));
    FAIL("expected a ConfigurationError");
  } catch (const freshet::ConfigurationError& error) {
    CHECK(error.field() == field);
    CHECK(error.id() == id);
  }
}

TEST_CASE("a snapshot of any backend goes on to the bit, started or not") {
  const std::string backend =
      GENERATE("ecod", "copod", "hbos", "loda", "isolation_forest", "knn", "local_outlier_factor",
               "cblof", "mcd", "one_class_svm", "suod", "autoencoder");
  const json settings{{"backend", backend},
                      {"min_samples", 20},
                      {"retrain_interval", 10},
                      {"retrain", "inline"},
                      {"rolling_windows", {4}}};
  AnyDetector detector(settings);
  freshet::RandomGenerator random(3);
  for (int i = 0; i < 60; ++i) {
    if (i % 6 == 0) {
      const auto bytes = freshet::snapshot(detector);
      auto restored = freshet::restore<AnyDetector>(bytes);
      REQUIRE(freshet::snapshot(restored) == bytes);
      AnyDetector copy(detector);
      freshet::RandomGenerator same(random);
      for (int k = 0; k < 30; ++k) {
        const auto row = random_row(same);
        const Result result = restored.process(row);
        const Result expected = copy.process(row);
        REQUIRE(result.scored == expected.scored);
        if (expected.scored) REQUIRE(result.score == expected.score);
        REQUIRE(result.model_version == expected.model_version);
      }
    }
    (void)detector.process(random_row(random));
  }
}
