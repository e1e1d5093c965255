#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "freshet/backends/lstm_autoencoder.hpp"
#include "freshet/stream/streaming_detector.hpp"
#include "support/catch.hpp"
#include "support/lstm_data.hpp"

namespace {

using Detector = freshet::StreamingDetector<freshet::LstmAutoencoder>;

freshet::StreamingConfig busy() {
  freshet::StreamingConfig config{.n_features = 2, .min_samples = 20, .retrain_interval = 5};
  config.window_size = 30;
  return config;
}

}  // namespace

TEST_CASE("threads score with an LSTM autoencoder while others of it are trained") {
  freshet::LstmAutoencoder backend = freshet::test::tiny();
  backend.n_threads = 2;
  Detector detector(backend, busy(), std::make_shared<freshet::ThreadPool>(1));
  const freshet::Matrix rows = freshet::test::waves(400, 2);
  const auto windows = rows.view().shingled(6);
  std::size_t next = 0;
  while (detector.generation() == nullptr) (void)detector.process(rows.row(next++));

  std::atomic<bool> stop{false};
  std::atomic<long> wrong{0};
  std::atomic<long> scored{0};
  std::vector<std::thread> readers;
  for (std::size_t t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      std::vector<double> contributions(12);
      std::uint64_t version = 0;
      for (std::size_t i = t; !stop; i = (i + 7) % windows.n_rows()) {
        const auto generation = detector.generation();
        if (generation->version() < version) ++wrong;  // models only get newer
        version = generation->version();
        const double once = generation->score(windows.row(i)).raw_score;
        generation->explain(windows.row(i), contributions);
        if (!(once > 0.0) || once != generation->score(windows.row(i)).raw_score) ++wrong;
        ++scored;
      }
    });
  }
  while (next < rows.n_rows()) {
    if (!detector.process(rows.row(next++)).scored) ++wrong;
    if (next % 20 == 0) detector.wait();
  }
  while (scored < 300) std::this_thread::yield();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
  CHECK(detector.stats().failed_retrains == 0);
  CHECK(detector.stats().model_version > 10);
}

TEST_CASE("detectors of LSTM autoencoders may end while their trainings run") {
  freshet::LstmAutoencoder backend = freshet::test::tiny();
  backend.epochs = 100'000;  // for ever, unless told to stop
  backend.patience = 100'000;
  const auto executor = std::make_shared<freshet::ThreadPool>(1);
  const freshet::Matrix rows = freshet::test::waves(30, 2);
  freshet::LstmAutoencoder quick = freshet::test::tiny();
  const freshet::Generation<freshet::LstmAutoencoder> generation(
      quick.fit(rows.view().shingled(6)), freshet::Normalizer{}, 1.0, rows.n_rows());
  for (int round = 0; round < 6; ++round) {
    Detector detector(backend, busy(), generation, executor);
    for (std::size_t i = 0; i < 25; ++i) (void)detector.process(rows.row(i));
    CHECK(detector.status() == freshet::Status::retraining);
    const Detector copy(detector);
    if (round % 2 == 0) detector.reset();
  }
  // The pool has one thread: once a later task has run, every training before it has ended.
  std::atomic<bool> ended{false};
  executor->submit([&ended] { ended = true; });
  while (!ended) std::this_thread::yield();
  CHECK(ended);
}
