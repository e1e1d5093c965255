// One row against a model of 1,000 × 5 and of 1,000 × 80 rows.

#include <cstddef>

#include <benchmark/benchmark.h>

#include "freshet/freshet.hpp"
#include "rows.hpp"

namespace {

using freshet::Matrix;
using freshet::bench::normal_rows;

constexpr std::size_t n_training_rows = 1000;
// Enough that the branch predictor cannot learn them by heart, few enough for the second cache.
constexpr std::size_t n_scored_rows = 4096;

template <class Backend>
void score(benchmark::State& state) {
  const auto n_columns = static_cast<std::size_t>(state.range(0));
  const auto model = Backend{}.fit(normal_rows(n_training_rows, n_columns, 1), 0);
  const Matrix rows = normal_rows(n_scored_rows, n_columns, 2);
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(model.score(rows.row(next)));
    next = (next + 1) % n_scored_rows;
  }
  state.SetItemsProcessed(state.iterations());
}

// The newest row of a stream that rises against the window before it: what a search in training
// rows meets most of the time, and where the order of these rows matters.
template <class Backend>
void score_drifting(benchmark::State& state) {
  const auto n_columns = static_cast<std::size_t>(state.range(0));
  Matrix stream = normal_rows(2 * n_training_rows, n_columns, 1);
  for (std::size_t i = 0; i < stream.n_rows(); ++i) {
    for (double& value : stream.row(i)) value += 0.1 * static_cast<double>(i);
  }
  const auto model = Backend{}.fit({stream.row(0).data(), n_training_rows, n_columns}, 0);
  std::size_t next = 0;
  for (auto _ : state) {
    // As long as a model is in use before the next one is trained.
    benchmark::DoNotOptimize(model.score(stream.row(n_training_rows + next)));
    next = (next + 1) % 100;
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_TEMPLATE(score, freshet::Ecod)->Arg(5)->Arg(80);
BENCHMARK_TEMPLATE(score, freshet::Copod)->Arg(5)->Arg(80);
BENCHMARK_TEMPLATE(score, freshet::Hbos)->Arg(5)->Arg(80);
BENCHMARK_TEMPLATE(score, freshet::Loda)->Arg(5)->Arg(80);
BENCHMARK_TEMPLATE(score, freshet::IsolationForest)->Arg(5)->Arg(80);
BENCHMARK_TEMPLATE(score, freshet::Knn)->Arg(5)->Arg(80);
BENCHMARK_TEMPLATE(score, freshet::LocalOutlierFactor)->Arg(5)->Arg(80);
BENCHMARK_TEMPLATE(score, freshet::Cblof)->Arg(5)->Arg(80);
BENCHMARK_TEMPLATE(score, freshet::Mcd)->Arg(5)->Arg(80);
BENCHMARK_TEMPLATE(score, freshet::OneClassSvm)->Arg(5)->Arg(80);
BENCHMARK_TEMPLATE(score_drifting, freshet::Knn)->Arg(5)->Arg(80);
BENCHMARK_TEMPLATE(score_drifting, freshet::LocalOutlierFactor)->Arg(5)->Arg(80);

}  // namespace
