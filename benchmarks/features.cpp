// The rolling features of one row, 5 columns wide: the cost must not grow with the window.

#include <cstddef>
#include <vector>

#include <benchmark/benchmark.h>

#include "freshet/features/rolling.hpp"
#include "rows.hpp"

namespace {

constexpr std::size_t n_columns = 5;

void rolling(benchmark::State& state) {
  const auto window = static_cast<std::size_t>(state.range(0));
  const freshet::Matrix rows = freshet::bench::normal_rows(4096, n_columns, 3);
  freshet::RollingFeatures features(n_columns, {window});
  std::vector<double> out(features.n_features());
  // Past the first window, so that what is measured is the steady state.
  for (std::size_t i = 0; i < 2 * window; ++i) features.update(rows.row(i % rows.n_rows()));
  std::size_t next = 0;
  for (auto _ : state) {
    features.transform(rows.row(next), out);
    features.update(rows.row(next));
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
    next = (next + 1) % rows.n_rows();
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(rolling)->RangeMultiplier(10)->Range(10, 100'000);

}  // namespace
