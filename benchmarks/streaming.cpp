// What a row costs in a detector, as percentiles, with retraining in the background and inline;
// and the mean costs that the Python module is held against. Prints JSON.
//
// usage: freshet_streaming latencies|costs ROWS_FILE   (rows of 5 doubles, as run.py writes them)

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/freshet.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using freshet::Ecod;
using freshet::Matrix;
using freshet::MatrixView;
using freshet::Result;
using freshet::Retrain;
using freshet::Status;
using freshet::StreamingConfig;
using freshet::StreamingDetector;
using nlohmann::json;

constexpr std::size_t n_columns = 5;
// By then the window is full and every rolling feature past its first window.
constexpr std::size_t n_warm_up_rows = 2000;
constexpr std::size_t n_batch_rows = 10'000;

double nanoseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::nano>(duration).count();
}

Matrix read_rows(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error(std::string("cannot open ") + path);
  const auto n_bytes = static_cast<std::size_t>(file.tellg());
  Matrix rows(n_bytes / (n_columns * sizeof(double)), n_columns);
  if (rows.n_rows() <= n_warm_up_rows) throw std::runtime_error("too few rows");
  file.seekg(0);
  file.read(reinterpret_cast<char*>(rows.row(0).data()),
            static_cast<std::streamsize>(rows.n_rows() * n_columns * sizeof(double)));
  return rows;
}

/// 5 columns, 80 features: what our speed is judged by.
StreamingConfig with_features(Retrain retrain) {
  return {.n_features = n_columns,
          .min_samples = 1000,
          .retrain_interval = 100,
          .window_size = 1000,
          .rolling_windows = {5, 10, 20},
          .lag_periods = {1, 2, 3},
          .retrain = retrain};
}

/// No features and no retraining: what is left is the cost of the call.
StreamingConfig bare() {
  return {.n_features = n_columns,
          .min_samples = 1000,
          .retrain_interval = 1'000'000'000,
          .window_size = 1000,
          .retrain = Retrain::inline_};
}

json percentiles(std::vector<double> values) {
  if (values.empty()) return {{"n", 0}};
  std::sort(values.begin(), values.end());
  const auto at = [&](double percent) { return freshet::percentile_of_sorted(values, percent); };
  return {{"n", values.size()}, {"p50", at(50)},     {"p95", at(95)},
          {"p99", at(99)},      {"p99.9", at(99.9)}, {"max", values.back()}};
}

void warm_up(StreamingDetector<Ecod>& detector, const Matrix& rows) {
  for (std::size_t i = 0; i < n_warm_up_rows; ++i) detector.process(rows.row(i));
  detector.wait();
}

/// The latency of each `process`, apart for rows that came while a training ran. `pause` is the
/// time between two rows: none is the worst case, a training then is always running.
json latencies(Retrain retrain, const Matrix& rows, std::size_t n_rows, Clock::duration pause) {
  StreamingDetector<Ecod> detector({}, with_features(retrain));
  warm_up(detector, rows);
  const auto first_version = detector.stats().model_version;
  std::vector<double> all;
  std::vector<double> while_retraining;
  const auto began = Clock::now();
  auto due = began;
  const std::size_t end = std::min(rows.n_rows(), n_warm_up_rows + n_rows);
  for (std::size_t i = n_warm_up_rows; i < end; ++i) {
    if (pause > Clock::duration::zero()) {
      due += pause;
      while (Clock::now() < due) {
      }
    }
    const bool training = detector.status() == Status::retraining;
    const auto before = Clock::now();
    detector.process(rows.row(i));
    const double took = nanoseconds(Clock::now() - before);
    all.push_back(took);
    if (training) while_retraining.push_back(took);
  }
  const double seconds = nanoseconds(Clock::now() - began) / 1e9;
  const auto n_measured = static_cast<double>(all.size());
  detector.wait();
  return {{"latency_ns", percentiles(all)},
          {"latency_while_retraining_ns", percentiles(while_retraining)},
          {"rows_per_second", n_measured / seconds},
          {"trainings", detector.stats().model_version - first_version}};
}

// Few, because run.py runs this program several times, in turns with the Python side.
constexpr int n_cost_rounds = 2;

/// The mean cost of `process` per row without timing each, the best of the rounds.
double process_cost_ns(const StreamingConfig& config, const Matrix& rows) {
  double best = 1e300;
  for (int round = 0; round < n_cost_rounds; ++round) {
    StreamingDetector<Ecod> detector({}, config);
    warm_up(detector, rows);
    double sum = 0.0;
    const auto before = Clock::now();
    for (std::size_t i = n_warm_up_rows; i < rows.n_rows(); ++i) {
      sum += detector.process(rows.row(i)).score;
    }
    const double took = nanoseconds(Clock::now() - before);
    if (!(sum > 0.0)) throw std::runtime_error("rows were not scored");
    best = std::min(best, took / static_cast<double>(rows.n_rows() - n_warm_up_rows));
  }
  return best;
}

double process_many_cost_ns(const StreamingConfig& config, const Matrix& rows) {
  const std::size_t n_rows = rows.n_rows() - n_warm_up_rows;
  std::vector<Result> results(n_batch_rows);
  double best = 1e300;
  for (int round = 0; round < n_cost_rounds; ++round) {
    StreamingDetector<Ecod> detector({}, config);
    warm_up(detector, rows);
    const auto before = Clock::now();
    for (std::size_t first = 0; first < n_rows; first += n_batch_rows) {
      const MatrixView batch(rows.row(n_warm_up_rows + first).data(),
                             std::min(n_batch_rows, n_rows - first), n_columns);
      detector.process_many(batch, std::span(results).first(batch.n_rows()));
    }
    best = std::min(best, nanoseconds(Clock::now() - before) / static_cast<double>(n_rows));
  }
  return best;
}

StreamingConfig without_retraining() {
  StreamingConfig config = with_features(Retrain::inline_);
  config.retrain_interval = 1'000'000'000;
  return config;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc == 3 ? argv[1] : "";
  if (what != "latencies" && what != "costs") {
    std::fputs("usage: freshet_streaming latencies|costs ROWS_FILE\n", stderr);
    return 2;
  }
  try {
    const Matrix rows = read_rows(argv[2]);
    using namespace std::chrono_literals;
    json report;
    if (what == "latencies") {
      report["background"] = latencies(Retrain::background, rows, rows.n_rows(), 0us);
      report["background_paced"] = latencies(Retrain::background, rows, 20'000, 50us);
      report["inline"] = latencies(Retrain::inline_, rows, rows.n_rows(), 0us);
    } else {
      report["process_ns"] = {{"bare", process_cost_ns(bare(), rows)},
                              {"features", process_cost_ns(without_retraining(), rows)}};
      report["process_many_ns"] = {{"bare", process_many_cost_ns(bare(), rows)},
                                   {"features", process_many_cost_ns(without_retraining(), rows)}};
    }
    std::cout << report.dump(2) << '\n';
  } catch (const std::exception& error) {
    std::fprintf(stderr, "freshet_streaming: %s\n", error.what());
    return 1;
  }
  return 0;
}
