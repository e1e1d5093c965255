#include "freshet/io/trained_model.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/core/random.hpp"
#include "freshet/io/any_detector.hpp"
#include "freshet/io/bundle.hpp"
#include "freshet/io/snapshot.hpp"
#include "support/catch.hpp"
#include "support/lstm_data.hpp"

namespace {

using freshet::AnyDetector;
using freshet::ErrorCode;
using freshet::LstmAutoencoder;
using freshet::Matrix;
using freshet::Result;
using freshet::TrainedModel;
using freshet::test::tiny;
using freshet::test::waves;
using nlohmann::json;

using Bytes = std::vector<std::byte>;

Bytes bytes_of(const TrainedModel& model) { return freshet::snapshot(model); }

Matrix random_rows(std::size_t n_rows, std::uint64_t seed) {
  freshet::RandomGenerator random(seed);
  Matrix rows(n_rows, 2);
  for (std::size_t i = 0; i < n_rows; ++i) {
    for (double& value : rows.row(i)) value = random.normal();
  }
  return rows;
}

json settings_of(const std::string& backend) {
  json settings = {{"backend", backend},     {"columns", {"a", "b"}}, {"min_samples", 20},
                   {"retrain_interval", 30}, {"window_size", 60},     {"lag_periods", {1}},
                   {"scaler", "robust"},     {"retrain", "hosted"}};
  if (backend == "lstm_autoencoder") {
    settings["backend_params"] = {{"window", 4}, {"hidden_size", 3}, {"epochs", 2}};
  }
  return settings;
}

std::vector<Result> process(AnyDetector& detector, freshet::MatrixView rows) {
  std::vector<Result> results(rows.n_rows());
  detector.process_many(rows, results);
  return results;
}

bool same(const std::vector<Result>& left, const std::vector<Result>& right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i].model_version != right[i].model_version || left[i].status != right[i].status ||
        std::memcmp(&left[i].score, &right[i].score, sizeof(double)) != 0 ||
        std::memcmp(&left[i].raw_score, &right[i].raw_score, sizeof(double)) != 0) {
      return false;
    }
  }
  return true;
}

/// A detector whose second training is due.
AnyDetector due(const std::string& backend = "hbos") {
  AnyDetector detector(settings_of(backend));
  (void)process(detector, random_rows(50, 1));
  return detector;
}

freshet::Bundle bundle() {
  const Matrix rows = waves(60, 2);
  freshet::Bundle bundle;
  bundle.backend = tiny();
  bundle.model = bundle.backend.fit(rows.view().shingled(bundle.backend.window), 3);
  bundle.columns = {"cpu", "memory"};
  bundle.threshold = 1.5;
  return bundle;
}

template <class Call>
std::optional<std::string> field_of(const Call& call) {
  try {
    call();
  } catch (const freshet::ConfigurationError& error) {
    return error.field();
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("a model goes from one detector to another as bytes") {
  const std::string backend = GENERATE_COPY(from_range(freshet::backend_names()));
  AnyDetector trains = due(backend);
  AnyDetector waits(trains);
  REQUIRE(trains.training());
  const TrainedModel model = trains.training()->run();
  CHECK(model.version() == 2);
  CHECK(model.backend() == backend);
  CHECK(model.settings() == trains.settings());
  const Bytes bytes = bytes_of(model);
  const auto received = freshet::restore<TrainedModel>(bytes);
  CHECK(bytes_of(received) == bytes);
  CHECK(received.settings() == model.settings());
  CHECK(trains.publish(model));
  CHECK(waits.publish(received));
  CHECK_FALSE(waits.training());
  const Matrix more = random_rows(29, 2);
  CHECK(same(process(trains, more), process(waits, more)));
  CHECK(waits.stats().model_version == 2);
  CHECK(bytes_of(*waits.model()) == bytes);
}

TEST_CASE("detectors share the memory of a model") {
  AnyDetector detector = due();
  const TrainedModel model = detector.training()->run();
  const auto* weights = &model.generation<freshet::Hbos>()->model();
  CHECK(model.generation<freshet::Ecod>() == nullptr);
  const auto weights_of = [](const AnyDetector& one) {
    return &one.model()->generation<freshet::Hbos>()->model();
  };
  AnyDetector copy(detector);
  CHECK(detector.publish(model));
  CHECK(copy.publish(model));
  CHECK(weights_of(detector) == weights);
  CHECK(weights_of(copy) == weights);
  CHECK(detector.publish(model.with_version(3)));
  CHECK(detector.stats().model_version == 3);
  CHECK(weights_of(detector) == weights);
  CHECK(weights_of(AnyDetector(model, {{"threshold", 0.7}})) == weights);
  CHECK(field_of([&] { (void)model.with_version(0); }) == "version");
}

TEST_CASE("streams begin with the model of a bundle and share it") {
  const freshet::Bundle stored = bundle();
  const TrainedModel model = trained_model(stored);
  CHECK(model.version() == 1);
  CHECK(model.config().columns == stored.columns);
  AnyDetector one(model);
  AnyDetector other(model, {{"threshold", 0.5}, {"retrain", "hosted"}, {"min_samples", 20}});
  CHECK(&one.model()->generation<LstmAutoencoder>()->model() ==
        &other.model()->generation<LstmAutoencoder>()->model());
  CHECK(one.stats().threshold == 1.5);
  CHECK(other.stats().threshold == 0.5);
  CHECK(other.config().shingle == stored.backend.window);

  auto expected = freshet::make_detector(stored);
  const Matrix rows = waves(40, 2, 5);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    const Result result = one.process(rows.row(i));
    const Result same = expected.process(rows.row(i));
    REQUIRE(result.scored == same.scored);
    if (same.scored) REQUIRE(result.raw_score == same.raw_score);
  }
  // A bundle that replaces the one in use.
  CHECK_FALSE(one.publish(model));
  CHECK(one.publish(model.with_version(2)));
  CHECK(one.stats().model_version == 2);
  // Restored, it goes on with a model of its own.
  auto restored = freshet::restore<AnyDetector>(freshet::snapshot(one));
  CHECK(restored.process(rows.row(0)).raw_score == one.process(rows.row(0)).raw_score);
}

TEST_CASE("a detector that begins with a model keeps what the model depends on") {
  const TrainedModel model = due().training()->run();
  for (const auto& [settings, field] : std::vector<std::pair<json, std::string>>{
           {{{"backend", "ecod"}}, "backend"},
           {{{"backend_params", {{"n_bins", 7}}}}, "backend_params"},
           {{{"n_features", 3}}, "columns"},
           {{{"lag_periods", {2}}}, "lag_periods"},
           {{{"rolling_windows", {2}}}, "rolling_windows"},
           {{{"shingle", 2}}, "shingle"},
           {{{"normalization", "raw"}}, "normalization"},
           {{{"contamination", 0.7}}, "contamination"},
           {{{"surprise", 1}}, "surprise"}}) {
    CAPTURE(settings);
    CHECK(field_of([&] { AnyDetector(model, settings); }) == field);
  }
  CHECK_FALSE(field_of([&] { AnyDetector(model, model.settings()); }));
}

TEST_CASE("a model that does not fit is refused, the detector being unchanged") {
  AnyDetector detector = due();
  const auto before = freshet::snapshot(detector);
  for (const auto& [changes, field] : std::vector<std::pair<json, std::string>>{
           {{{"backend", "ecod"}}, "backend"},
           {{{"columns", {"b", "a"}}}, "columns"},
           {{{"columns", {"a", "b", "c"}}}, "n_features"},
           {{{"lag_periods", {2}}}, "lag_periods"},
           {{{"normalization", "zscore"}}, "normalization"}}) {
    json settings = settings_of("hbos");
    settings.update(changes);
    AnyDetector other(settings);
    const std::size_t width = other.config().n_features;
    Matrix rows(50, width);
    for (std::size_t i = 0; i < 50; ++i) rows(i, i % width) = static_cast<double>(i % 7);
    (void)process(other, rows);
    CAPTURE(settings);
    CHECK(field_of([&] { (void)detector.publish(other.training()->run()); }) == field);
    CHECK(freshet::snapshot(detector) == before);
  }
  AnyDetector unknown(json{{"backend", "hbos"}, {"lag_periods", {1}}});
  CHECK_FALSE(unknown.training());
  CHECK_FALSE(unknown.abandon_training("there is none"));
  CHECK_THROWS_AS(unknown.publish(detector.training()->run()), freshet::NotReadyError);
}

TEST_CASE("columns are not named once there is a model") {
  json settings = settings_of("hbos");
  settings.erase("columns");
  AnyDetector unnamed(settings);
  (void)process(unnamed, random_rows(50, 1));
  AnyDetector begins(unnamed.training()->run());
  CHECK(field_of([&] { begins.name_columns({"a", "b"}); }) == "columns");
}

TEST_CASE("damaged bytes of a model are a clear error") {
  const std::string backend = GENERATE("hbos", "lstm_autoencoder");
  AnyDetector detector = due(backend);
  const Bytes bytes = bytes_of(detector.training()->run());
  const auto code_of = [](const Bytes& damaged) -> std::optional<ErrorCode> {
    try {
      (void)freshet::restore<TrainedModel>(damaged);
    } catch (const freshet::SnapshotError& error) {
      return error.code();
    }
    return std::nullopt;
  };
  for (std::size_t n = 0; n < bytes.size(); n += 1 + bytes.size() / 100) {
    CHECK(code_of(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n))) ==
          ErrorCode::snapshot_truncated);
  }
  freshet::RandomGenerator random(1);
  for (int i = 0; i < 500; ++i) {
    auto damaged = bytes;
    damaged[random.below(bytes.size())] ^= std::byte{1} << static_cast<int>(random.below(8));
    REQUIRE(code_of(damaged));
  }
  CHECK(code_of(freshet::snapshot(detector)) == ErrorCode::snapshot_mismatch);
  try {
    (void)freshet::restore<AnyDetector>(bytes);
    FAIL("a model is no detector");
  } catch (const freshet::SnapshotError& error) {
    CHECK(error.code() == ErrorCode::snapshot_mismatch);
  }

  // With a checksum that matches, whatever is accepted must stay within its memory.
  const std::size_t header = freshet::iodetail::SnapshotHeader::n_bytes;
  const Matrix rows = random_rows(30, 4);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    auto crafted = bytes;
    const std::size_t range = i % 2 == 0 ? 300 : bytes.size() - header - 8;
    const std::uint64_t number = i % 3 == 0 ? random.below(64) : random() >> random.below(64);
    std::memcpy(crafted.data() + header + random.below(range), &number,
                i % 4 == 0 ? 1 : sizeof number);
    const std::uint64_t sum = freshet::iodetail::checksum(std::span(crafted).subspan(header));
    std::memcpy(crafted.data() + header - sizeof sum, &sum, sizeof sum);
    try {
      const auto model = freshet::restore<TrainedModel>(crafted);
      AnyDetector begins(model, {{"retrain", "manual"}, {"window_size", 50}});
      if (begins.config().n_features == 2) (void)process(begins, rows);
      AnyDetector other(detector);
      (void)other.publish(model);
      (void)process(other, rows);
    } catch (const freshet::SnapshotError&) {
      ++refused;
    } catch (const freshet::ConfigurationError&) {
      ++refused;
    }
  }
  CHECK(refused > 100);
}
