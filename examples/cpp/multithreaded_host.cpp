// A program that has threads of its own lets them train the models of its streams: eight machines,
// fed by four threads, trained on the pool that does the program's other work too.

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "freshet/freshet.hpp"

// The host's pool, which knows nothing of freshet. It runs all that was posted before it ends.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t n_threads) {
    for (std::size_t i = 0; i < n_threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~WorkerPool() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_all();
  }

  void post(std::function<void()> job) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
  }

 private:
  void work() {
    for (std::unique_lock lock(mutex_);; lock.lock()) {
      wake_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool closing_ = false;
  std::vector<std::jthread> threads_;  // last, so that it is joined before the rest is gone
};

// All that it takes to train there: called once per training, never while a row is scored.
class TrainOnHost final : public freshet::Executor {
 public:
  explicit TrainOnHost(WorkerPool& pool) : pool_(pool) {}
  void submit(std::function<void()> training) override { pool_.post(std::move(training)); }

 private:
  WorkerPool& pool_;
};

int main() {
  using Detector = freshet::StreamingDetector<freshet::Ecod>;
  constexpr int n_machines = 8;
  constexpr int n_feeders = 4;
  constexpr int n_rows = 5000;

  WorkerPool host(2);  // outlives the detectors, whose trainings it runs
  const auto executor = std::make_shared<TrainOnHost>(host);
  freshet::DetectorPool<Detector> machines([&] {
    return Detector(freshet::Ecod{}, {.n_features = 2, .min_samples = 1000, .contamination = 0.001},
                    executor);
  });

  std::mutex alarms_mutex;
  std::map<std::string, freshet::Result> alarms;  // of each machine the row that scored highest
  const auto feed = [&](int machine) {
    const std::string id = "machine-" + std::to_string(machine);
    freshet::RandomGenerator random(static_cast<freshet::Seed>(machine));
    freshet::Result highest;
    for (int i = 0; i < n_rows; ++i) {
      std::array row{50.0 + random.normal(), 3000.0 + 20.0 * random.normal()};
      if (i == 3000 + 100 * machine) row = {75.0, 2500.0};  // it runs hot and slow
      const freshet::Result verdict = machines.process(id, row);
      if (verdict.is_anomaly && !(verdict.score <= highest.score)) highest = verdict;
    }
    const std::lock_guard lock(alarms_mutex);
    alarms[id] = highest;
  };
  {
    std::vector<std::jthread> feeders;
    feeders.reserve(n_feeders);
    for (int feeder = 0; feeder < n_feeders; ++feeder) {
      feeders.emplace_back([&, feeder] {
        for (int machine = feeder; machine < n_machines; machine += n_feeders) feed(machine);
      });
    }
  }

  for (const auto& [id, alarm] : alarms) {
    machines.with_existing(id, [](Detector& detector) { detector.wait(); });
    const auto stats = machines.with_existing(id, [](Detector& one) { return one.stats(); });
    std::printf("%s: row %d, score %.2f by model %d; %d models so far, %d trainings failed\n",
                id.c_str(), static_cast<int>(alarm.index), alarm.score,
                static_cast<int>(alarm.model_version), static_cast<int>(stats.model_version),
                static_cast<int>(stats.failed_retrains));
  }
}
