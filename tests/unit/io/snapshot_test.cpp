#include "freshet/io/snapshot.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "freshet/backends/cblof.hpp"
#include "freshet/backends/copod.hpp"
#include "freshet/backends/ecod.hpp"
#include "freshet/backends/hbos.hpp"
#include "freshet/backends/isolation_forest.hpp"
#include "freshet/backends/knn.hpp"
#include "freshet/backends/local_outlier_factor.hpp"
#include "freshet/backends/loda.hpp"
#include "freshet/backends/mcd.hpp"
#include "freshet/backends/one_class_svm.hpp"
#include "freshet/backends/suod.hpp"
#include "freshet/core/random.hpp"
#include "freshet/stream/streaming_detector.hpp"
#include "support/catch.hpp"
#include "support/toy_backends.hpp"

namespace {

using freshet::Matrix;
using freshet::Result;
using freshet::Retrain;
using freshet::StreamingConfig;
using freshet::StreamingDetector;

StreamingConfig rich() {
  StreamingConfig config{.n_features = 2, .min_samples = 20, .retrain_interval = 15};
  config.window_size = 40;
  config.rolling_windows = {3, 7};
  config.lag_periods = {1, 4};
  config.shingle = 2;
  config.scaler = freshet::Scaling::robust;
  config.retrain = Retrain::inline_;
  config.columns = {"a", "b"};
  return config;
}

Matrix random_rows(std::size_t n_rows, std::uint64_t seed) {
  freshet::RandomGenerator random(seed);
  Matrix rows(n_rows, 2);
  for (std::size_t i = 0; i < n_rows; ++i) {
    rows(i, 0) = random.normal();
    rows(i, 1) = std::floor(4.0 * random.uniform());
  }
  return rows;
}

bool same_bits(double left, double right) { return std::memcmp(&left, &right, sizeof left) == 0; }

bool same(const Result& left, const Result& right) {
  return left.scored == right.scored && left.is_anomaly == right.is_anomaly &&
         left.status == right.status && same_bits(left.score, right.score) &&
         same_bits(left.raw_score, right.raw_score) &&
         left.samples_until_ready == right.samples_until_ready &&
         left.model_version == right.model_version && left.index == right.index;
}

}  // namespace

TEMPLATE_TEST_CASE("a detector cut at any row goes on to the bit", "", freshet::Ecod,
                   freshet::Copod, freshet::Hbos, freshet::Loda, freshet::IsolationForest,
                   freshet::Mcd, freshet::OneClassSvm) {
  const Matrix rows = random_rows(150, 11);
  StreamingDetector detector(TestType{}, rich());
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    if (i % 7 == 0) {
      const auto bytes = freshet::snapshot(detector);
      auto whole = detector;
      auto restored = freshet::restore<StreamingDetector<TestType>>(bytes);
      REQUIRE(freshet::snapshot(restored) == bytes);
      REQUIRE(restored.config() == detector.config());
      for (std::size_t k = i; k < rows.n_rows(); ++k) {
        // A training takes its own time; everything else must be the same.
        REQUIRE(same(restored.process(rows.row(k)), whole.process(rows.row(k))));
      }
    }
    (void)detector.process(rows.row(i));
  }
}

TEST_CASE("a training that was running is begun again when restored") {
  StreamingConfig config = rich();
  config.retrain = Retrain::background;
  const auto executor = std::make_shared<freshet::test::HeldExecutor>();
  StreamingDetector detector(freshet::Ecod{}, config, executor);
  const Matrix rows = random_rows(80, 5);
  std::size_t i = 0;
  while (executor->n_tasks() == 0) (void)detector.process(rows.row(i++));
  (void)detector.process(rows.row(i++));

  const auto second = std::make_shared<freshet::test::HeldExecutor>();
  auto restored =
      freshet::restore<StreamingDetector<freshet::Ecod>>(freshet::snapshot(detector), second);
  CHECK(restored.status() == freshet::Status::retraining);
  CHECK(second->n_tasks() == 1);
  for (int step = 0; step < 30; ++step, ++i) {
    if (step % 9 == 4) {
      executor->run_all();
      second->run_all();
    }
    REQUIRE(same(restored.process(rows.row(i)), detector.process(rows.row(i))));
  }
  CHECK(detector.stats().model_version > 1);
}

TEST_CASE("every part of the state is in the snapshot") {
  StreamingConfig config = rich();
  config.out_of_order = freshet::OutOfOrder::drop;
  config.retrain = GENERATE(Retrain::manual, Retrain::background);
  config.normalization = GENERATE(freshet::Normalization::zscore, freshet::Normalization::raw);
  const auto executor = std::make_shared<freshet::test::HeldExecutor>();
  const auto second = std::make_shared<freshet::test::HeldExecutor>();
  StreamingDetector detector(freshet::Hbos{.n_bins = freshet::BinCount::automatic()}, config,
                             executor);
  const Matrix rows = random_rows(60, 8);
  double time = 100.0;
  for (std::size_t i = 0; i < 40; ++i) (void)detector.process(rows.row(i), time++);
  (void)detector.process(rows.row(0), 50.0);  // dropped
  executor->drop_all();                       // a failure, if one was running
  detector.adopt();
  detector.retrain();
  (void)detector.process(rows.row(40), time++);
  if (config.retrain == Retrain::background) detector.retrain();  // waits for the running one

  auto restored =
      freshet::restore<StreamingDetector<freshet::Hbos>>(freshet::snapshot(detector), second);
  const auto check_same_stats = [&] {
    const auto left = restored.stats();
    const auto right = detector.stats();
    CHECK(left.status == right.status);
    CHECK(left.total_processed == right.total_processed);
    CHECK(left.samples_since_retrain == right.samples_since_retrain);
    CHECK(left.dropped == 1);
    CHECK(left.failed_retrains == right.failed_retrains);
    CHECK(left.last_error == right.last_error);
    CHECK(left.model_version == right.model_version);
    CHECK(left.last_fit_seconds == right.last_fit_seconds);
  };
  check_same_stats();
  CHECK((detector.stats().failed_retrains > 0) == (config.retrain == Retrain::background));
  // Late for both, since the last timestamp is part of the state.
  CHECK_FALSE(restored.process(rows.row(1), time - 5.0).scored);
  CHECK(restored.stats().dropped == 2);
  (void)detector.process(rows.row(1), time - 5.0);
  for (std::size_t i = 41; i < 60; ++i) {
    if (i % 6 == 0) {
      executor->run_all();
      second->run_all();
    }
    REQUIRE(same(restored.process(rows.row(i), time), detector.process(rows.row(i), time)));
    ++time;
  }
  CHECK(restored.stats().model_version == detector.stats().model_version);
}

TEST_CASE("parameters of the backend are part of the snapshot") {
  StreamingDetector detector(freshet::Hbos{.n_bins = 20, .alpha = 0.2}, rich());
  auto restored = freshet::restore<StreamingDetector<freshet::Hbos>>(freshet::snapshot(detector));
  CHECK(restored.backend() == detector.backend());
}

TEST_CASE("damaged bytes are a clear error, never a crash") {
  StreamingDetector detector(freshet::Hbos{}, rich());
  const Matrix rows = random_rows(45, 3);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) (void)detector.process(rows.row(i));
  const auto bytes = freshet::snapshot(detector);
  using Restored = StreamingDetector<freshet::Hbos>;
  const auto code_of = [](const std::vector<std::byte>& damaged) {
    try {
      (void)freshet::restore<Restored>(damaged);
    } catch (const freshet::SnapshotError& error) {
      return error.code();
    }
    FAIL("expected a SnapshotError");
    return freshet::ErrorCode::not_ready;
  };

  SECTION("truncated") {
    for (std::size_t n = 0; n < bytes.size(); n += n < 64 ? 1 : 37) {
      CHECK(code_of({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)}) ==
            freshet::ErrorCode::snapshot_truncated);
    }
  }
  SECTION("a bit flipped") {
    freshet::RandomGenerator random(1);
    for (int i = 0; i < 2000; ++i) {
      auto damaged = bytes;
      const std::size_t at = i < 64 ? static_cast<std::size_t>(i) / 2 : random.below(bytes.size());
      damaged[at] ^= std::byte{1} << static_cast<int>(random.below(8));
      (void)code_of(damaged);
    }
  }
  SECTION("another format") {
    auto damaged = bytes;
    damaged[8] = std::byte{99};
    CHECK(code_of(damaged) == freshet::ErrorCode::snapshot_version);
  }
  SECTION("something else altogether") {
    CHECK(code_of(std::vector<std::byte>(1000)) == freshet::ErrorCode::snapshot_corrupt);
  }
  SECTION("bytes behind the end") {
    auto damaged = bytes;
    damaged.push_back(std::byte{0});
    CHECK(code_of(damaged) == freshet::ErrorCode::snapshot_corrupt);
  }
  SECTION("the snapshot of another backend") {
    StreamingDetector other(freshet::Ecod{}, rich());
    CHECK(code_of(freshet::snapshot(other)) == freshet::ErrorCode::snapshot_mismatch);
  }
}

TEMPLATE_TEST_CASE("crafted bytes with a checksum that matches are an error or a detector", "",
                   freshet::Ecod, freshet::Copod, freshet::Hbos, freshet::Loda,
                   freshet::IsolationForest, freshet::Mcd, freshet::OneClassSvm, freshet::Knn,
                   freshet::LocalOutlierFactor, freshet::Cblof, freshet::Suod) {
  using Restored = StreamingDetector<TestType>;
  StreamingConfig config = rich();
  config.retrain = Retrain::background;
  const auto executor = std::make_shared<freshet::test::HeldExecutor>();
  StreamingDetector detector(TestType{}, config, executor);
  const Matrix rows = random_rows(120, 3);
  std::size_t next = 0;
  while (executor->n_tasks() == 0) (void)detector.process(rows.row(next++));  // one is running
  const auto bytes = freshet::snapshot(detector);
  const std::size_t header = freshet::iodetail::SnapshotHeader::n_bytes;
  freshet::RandomGenerator random(2);
  int refused = 0;
  int accepted = 0;
  for (int i = 0; i < 1000; ++i) {
    auto crafted = bytes;
    if (i % 2 == 0) {
      crafted[header + random.below(bytes.size() - header)] =
          static_cast<std::byte>(random.below(256));
    } else {  // a whole number: a size, mostly of the settings and of what stands first
      const std::size_t range = i % 4 == 1 ? 400 : bytes.size() - header - 8;
      const std::uint64_t number = i % 8 < 4 ? random.below(64) : random() >> random.below(64);
      std::memcpy(crafted.data() + header + random.below(range), &number, sizeof number);
    }
    const std::uint64_t sum = freshet::iodetail::checksum(std::span(crafted).subspan(header));
    std::memcpy(crafted.data() + header - sizeof sum, &sum, sizeof sum);
    const auto own = std::make_shared<freshet::test::HeldExecutor>();
    try {
      auto restored = freshet::restore<Restored>(crafted, own);
      // Whatever it has become, it must stay within its memory, and so must its training.
      for (std::size_t k = 0; k < 20 && restored.config().n_features == 2; ++k) {
        if (k == 10) own->run_all();
        (void)restored.process(rows.row(k));
      }
      ++accepted;
    } catch (const freshet::SnapshotError&) {
      ++refused;
      CHECK(own->n_tasks() == 0);
    }
  }
  CHECK(refused > 50);
  CHECK(accepted > 50);
}

TEST_CASE("a matrix whose sizes wrap around to that of its values is refused") {
  // A number of rows whose product with the columns wraps around to the size of the values.
  freshet::ArchiveWriter writer;
  writer(std::size_t{(std::size_t{1} << 63U) + 35}, std::size_t{2}, std::vector<double>(70));
  Matrix matrix;
  CHECK_THROWS_AS(freshet::ArchiveReader(writer.bytes())(matrix), freshet::SnapshotError);
}
