#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "freshet/backends/ecod.hpp"
#include "freshet/core/random.hpp"
#include "freshet/stream/detail/published.hpp"
#include "freshet/stream/detector_pool.hpp"
#include "freshet/stream/streaming_detector.hpp"
#include "support/catch.hpp"

namespace {

using Detector = freshet::StreamingDetector<freshet::Ecod>;

freshet::StreamingConfig busy() {
  freshet::StreamingConfig config{.n_features = 3, .min_samples = 20, .retrain_interval = 1};
  config.window_size = 100;
  return config;
}

std::vector<double> random_row(freshet::RandomGenerator& random) {
  return {random.normal(), random.normal(), random.normal()};
}

}  // namespace

TEST_CASE("seven threads score while one processes and models are trained all the time") {
  Detector detector({}, busy(), std::make_shared<freshet::ThreadPool>(1));
  freshet::RandomGenerator random(1);
  for (int i = 0; i < 30; ++i) (void)detector.process(random_row(random));

  std::atomic<bool> stop{false};
  std::atomic<long> wrong{0};
  std::atomic<long> scored{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 7; ++t) {
    readers.emplace_back([&, t] {
      freshet::RandomGenerator mine(static_cast<std::uint64_t>(t) + 10);
      std::uint64_t version = 0;
      while (!stop) {
        const auto generation = detector.generation();
        if (generation->version() < version) ++wrong;  // models only get newer
        version = generation->version();
        const auto row = random_row(mine);
        const double once = generation->score(row).raw_score;
        if (!(once > 0.0) || once != generation->score(row).raw_score) ++wrong;
        ++scored;
      }
    });
  }
  // The thread that trains may have to wait for a processor longer than all these rows take.
  for (int i = 0; i < 20000 || detector.stats().model_version <= 2; ++i) {
    if (!detector.process(random_row(random)).scored) ++wrong;
  }
  detector.wait();
  while (scored < 1000) std::this_thread::yield();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
  CHECK(detector.stats().failed_retrains == 0);
  CHECK(detector.stats().model_version > 2);
}

TEST_CASE("eight threads feed one pool and every row of every stream is processed once") {
  const auto executor = std::make_shared<freshet::ThreadPool>(2);
  freshet::DetectorPool<Detector> pool([&] { return Detector({}, busy(), executor); });
  std::vector<std::thread> writers;
  for (int t = 0; t < 8; ++t) {
    writers.emplace_back([&pool, t] {
      freshet::RandomGenerator random(static_cast<std::uint64_t>(t));
      for (int i = 0; i < 600; ++i) {
        (void)pool.process("stream " + std::to_string(i % 5), random_row(random));
        if (i % 100 == 50) (void)pool.remove("short-lived");
        if (i % 10 == 0) (void)pool.process("short-lived", random_row(random));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  for (int s = 0; s < 5; ++s) {
    pool.with_existing("stream " + std::to_string(s), [](Detector& detector) {
      detector.wait();
      CHECK(detector.stats().total_processed == 8 * 120);
      CHECK(detector.stats().failed_retrains == 0);
      CHECK(detector.stats().model_version > 1);
    });
  }
}

TEST_CASE("a detector may end while its training runs") {
  const auto executor = std::make_shared<freshet::ThreadPool>(1);
  freshet::RandomGenerator random(9);
  for (int round = 0; round < 20; ++round) {
    Detector detector({}, busy(), executor);
    for (int i = 0; i < 25; ++i) (void)detector.process(random_row(random));
    if (round % 2 == 0) detector.reset();
  }
  // The pool has one thread: once a later task has run, every training before it has ended.
  std::atomic<bool> ended{false};
  executor->submit([&ended] { ended = true; });
  while (!ended) std::this_thread::yield();
  CHECK(ended);
}

TEST_CASE("the host trains in threads of its own while rows are processed") {
  freshet::StreamingConfig config = busy();
  config.retrain = freshet::Retrain::hosted;
  freshet::DetectorPool<Detector> pool([&] { return Detector({}, config); });
  const auto feed = [&](freshet::RandomGenerator& random, int n_rows) {
    for (int i = 0; i < n_rows; ++i) (void)pool.process("one", random_row(random));
  };
  freshet::RandomGenerator random(1);
  feed(random, 30);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> published{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {  // both run the same training, and one of them is first
    threads.emplace_back([&] {
      while (!stop) {
        const auto training =
            pool.with_existing("one", [](const Detector& detector) { return detector.training(); });
        if (training == nullptr) continue;
        const auto model = training->run();
        published += pool.with_existing(
            "one", [&](Detector& detector) { return detector.publish(model) ? 1U : 0U; });
      }
    });
  }
  while (published < 50) feed(random, 10);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  const auto stats =
      pool.with_existing("one", [](const Detector& detector) { return detector.stats(); });
  CHECK(stats.model_version == 1 + published);
  CHECK(stats.failed_retrains == 0);
}

TEST_CASE("a published value is never seen half replaced") {
  struct Pair {
    long left;
    long right;
  };
  freshet::streamdetail::Published<Pair> published;
  std::atomic<bool> stop{false};
  std::atomic<long> torn{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 4; ++t) {
    readers.emplace_back([&] {
      long last = 0;
      while (!stop) {
        const auto pair = published.load();
        if (pair == nullptr) continue;
        if (pair->left != pair->right || pair->left < last) ++torn;
        last = pair->left;
      }
    });
  }
  std::weak_ptr<const Pair> previous;
  for (long i = 1; i <= 20000; ++i) {
    auto value = std::make_shared<const Pair>(Pair{i, i});
    previous = value;
    while (!published.store(value)) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(torn == 0);
  CHECK(published.load()->left == 20000);
  // Nothing is kept that is not current: once nobody reads, a store frees every old value.
  REQUIRE(published.store(nullptr));
  CHECK(previous.expired());
}
