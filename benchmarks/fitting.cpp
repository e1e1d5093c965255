// Training on 1,000 × 5 and on 1,000 × 80 rows.

#include <cstddef>

#include <benchmark/benchmark.h>

#include "freshet/freshet.hpp"
#include "rows.hpp"

namespace {

template <class Backend>
void fit(benchmark::State& state) {
  const auto rows = freshet::bench::normal_rows(1000, static_cast<std::size_t>(state.range(0)), 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Backend{}.fit(rows, 0));
  }
}

BENCHMARK_TEMPLATE(fit, freshet::Ecod)->Arg(5)->Arg(80)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(fit, freshet::Copod)->Arg(5)->Arg(80)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(fit, freshet::Hbos)->Arg(5)->Arg(80)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(fit, freshet::Loda)->Arg(5)->Arg(80)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(fit, freshet::IsolationForest)->Arg(5)->Arg(80)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(fit, freshet::Knn)->Arg(5)->Arg(80)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(fit, freshet::LocalOutlierFactor)
    ->Arg(5)
    ->Arg(80)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(fit, freshet::Cblof)->Arg(5)->Arg(80)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(fit, freshet::Mcd)->Arg(5)->Arg(80)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(fit, freshet::OneClassSvm)->Arg(5)->Arg(80)->Unit(benchmark::kMicrosecond);

}  // namespace
