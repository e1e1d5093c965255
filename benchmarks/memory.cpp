// The memory of a detector, by counting what it allocates and frees. Prints JSON.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <new>
#include <optional>

#include <malloc.h>
#include <nlohmann/json.hpp>

#include "freshet/freshet.hpp"
#include "rows.hpp"

namespace {

// What the allocator really set aside, its rounding included.
std::atomic<std::int64_t> live_bytes{0};
std::atomic<std::int64_t> peak_bytes{0};
std::atomic<std::int64_t> n_allocations{0};

void* counted(void* block) {
  if (block == nullptr) throw std::bad_alloc();
  const auto size = static_cast<std::int64_t>(malloc_usable_size(block));
  const std::int64_t live = live_bytes.fetch_add(size) + size;
  std::int64_t peak = peak_bytes.load();
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
  ++n_allocations;
  return block;
}

// Not inlined: where GCC sees a block of `new` reach `free`, it warns of what is right here.
[[gnu::noinline]] void uncounted(void* block) noexcept {
  if (block != nullptr) live_bytes -= static_cast<std::int64_t>(malloc_usable_size(block));
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) {
  return counted(std::malloc(std::max<std::size_t>(size, 1)));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto step = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(step, (size + step - 1) / step * step));
}
void operator delete(void* block) noexcept { uncounted(block); }
void operator delete(void* block, std::size_t /*size*/) noexcept { uncounted(block); }
void operator delete(void* block, std::align_val_t /*alignment*/) noexcept { uncounted(block); }
void operator delete(void* block, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
  uncounted(block);
}

namespace {

using freshet::Retrain;
using freshet::StreamingConfig;
using freshet::StreamingDetector;

struct Usage {
  std::int64_t steady = 0;  // after the last training has ended
  std::int64_t peak = 0;    // while one trains
  std::int64_t allocations_per_training = 0;
};

/// Streams 10,000 rows through a detector. The detector itself counts too, beside what it
/// allocates.
template <class Backend>
Usage usage(const StreamingConfig& config) {
  const freshet::Matrix rows = freshet::bench::normal_rows(10'000, config.n_features, 1);
  const std::int64_t before = live_bytes;
  StreamingDetector<Backend> detector({}, config);
  for (std::size_t i = 0; i < 5000; ++i) detector.process(rows.row(i));
  detector.wait();
  peak_bytes = live_bytes.load();
  const std::int64_t allocations = n_allocations;
  const auto version = detector.stats().model_version;
  for (std::size_t i = 5000; i < rows.n_rows(); ++i) detector.process(rows.row(i));
  detector.wait();
  Usage result;
  const auto object_size = static_cast<std::int64_t>(sizeof(detector));
  result.peak = peak_bytes - before + object_size;
  result.steady = live_bytes - before + object_size;
  const auto trainings = static_cast<std::int64_t>(detector.stats().model_version - version);
  result.allocations_per_training = trainings > 0 ? (n_allocations - allocations) / trainings : 0;
  return result;
}

nlohmann::json to_json(const Usage& usage) {
  return {{"steady_bytes", usage.steady},
          {"peak_bytes", usage.peak},
          {"allocations_per_training", usage.allocations_per_training}};
}

template <class Backend>
nlohmann::json of_backend() {
  StreamingConfig config{.n_features = 5, .min_samples = 50, .window_size = 1000};
  config.retrain = Retrain::inline_;
  nlohmann::json report{{"inline", to_json(usage<Backend>(config))}};
  config.retrain = Retrain::background;
  report["background"] = to_json(usage<Backend>(config));
  return report;
}

}  // namespace

int main() {
  // The shared threads are not part of any detector.
  std::optional<StreamingDetector<freshet::Hbos>> starts_the_threads(
      std::in_place, freshet::Hbos{},
      StreamingConfig{.n_features = 1, .min_samples = 2, .retrain_interval = 1, .window_size = 2});
  for (double value = 0.0; value < 4.0; ++value) {
    starts_the_threads->process(freshet::RowView(&value, 1));
  }
  starts_the_threads->wait();
  starts_the_threads.reset();

  nlohmann::json report;
  report["ecod"] = of_backend<freshet::Ecod>();
  report["copod"] = of_backend<freshet::Copod>();
  report["hbos"] = of_backend<freshet::Hbos>();
  report["loda"] = of_backend<freshet::Loda>();
  report["isolation_forest"] = of_backend<freshet::IsolationForest>();
  report["knn"] = of_backend<freshet::Knn>();
  report["local_outlier_factor"] = of_backend<freshet::LocalOutlierFactor>();
  report["cblof"] = of_backend<freshet::Cblof>();
  report["mcd"] = of_backend<freshet::Mcd>();
  report["one_class_svm"] = of_backend<freshet::OneClassSvm>();
  std::cout << report.dump(2) << '\n';
  return 0;
}
