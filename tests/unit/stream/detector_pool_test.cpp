#include "freshet/stream/detector_pool.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "freshet/stream/streaming_detector.hpp"
#include "support/catch.hpp"
#include "support/toy_backends.hpp"

namespace {

using Detector = freshet::StreamingDetector<freshet::test::MeanDistance>;

Detector make() { return Detector({}, {.n_features = 1, .min_samples = 3, .window_size = 10}); }

}  // namespace

TEST_CASE("every stream has a detector of its own") {
  freshet::DetectorPool<Detector> pool(make);
  Detector alone = make();
  for (int i = 0; i < 20; ++i) {
    const std::vector<double> row{static_cast<double>(i % 5)};
    (void)pool.process("other", std::vector<double>{100.0 + i});
    const auto result = pool.process("one", row);
    const auto expected = alone.process(row);
    CHECK(result.index == expected.index);
    CHECK(result.scored == expected.scored);
    if (result.scored) CHECK(result.raw_score == expected.raw_score);
  }
  CHECK(pool.size() == 2);
  auto ids = pool.stream_ids();
  std::sort(ids.begin(), ids.end());
  CHECK(ids == std::vector<std::string>{"one", "other"});
}

TEST_CASE("a stream whose first row is refused is not made") {
  freshet::DetectorPool<Detector> pool(make);
  const std::vector<double> bad{std::numeric_limits<double>::quiet_NaN()};
  CHECK_THROWS_AS(pool.process("one", bad), freshet::DataError);
  CHECK_FALSE(pool.contains("one"));
  (void)pool.process("one", std::vector<double>{1.0});
  CHECK_THROWS_AS(pool.process("one", bad), freshet::DataError);
  CHECK(pool.contains("one"));
}

TEST_CASE("streams are removed, replaced and asked for by name") {
  freshet::DetectorPool<Detector> pool(make);
  const auto total = [](Detector& detector) { return detector.stats().total_processed; };
  CHECK_THROWS_AS(pool.with_existing("one", total), freshet::UnknownStreamError);
  (void)pool.process("one", std::vector<double>{1.0});
  CHECK(pool.with_existing("one", total) == 1);
  Detector replacement = make();
  for (int i = 0; i < 5; ++i) (void)replacement.process(std::vector<double>{1.0});
  pool.insert_or_assign("one", replacement);
  CHECK(pool.with_existing("one", total) == 5);
  CHECK(pool.size() == 1);
  CHECK(pool.remove("one"));
  CHECK_FALSE(pool.remove("one"));
  CHECK_THROWS_AS(pool.with_existing("one", total), freshet::UnknownStreamError);
}
