#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/executor.hpp"
#include "freshet/core/matrix_view.hpp"

/// @file
/// Backends whose every number can be worked out by hand, and whose training can be held up or made
/// to fail.

namespace freshet::test {

/// The distance of each column from its training mean, added up.
struct MeanDistanceModel {
  std::vector<double> means;

  [[nodiscard]] std::size_t n_features() const noexcept { return means.size(); }
  [[nodiscard]] double score(RowView row) const noexcept {
    double sum = 0.0;
    for (std::size_t j = 0; j < means.size(); ++j) sum += std::abs(row[j] - means[j]);
    return sum;
  }
  void explain(RowView row, std::span<double> contributions) const noexcept {
    for (std::size_t j = 0; j < means.size(); ++j) contributions[j] = std::abs(row[j] - means[j]);
  }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(means);
  }
};

struct MeanDistance {
  static constexpr std::string_view name = "mean_distance";
  using Model = MeanDistanceModel;

  [[nodiscard]] Model fit(MatrixView rows, Seed /*seed*/) const {
    Model model{std::vector<double>(rows.n_columns(), 0.0)};
    for (std::size_t i = 0; i < rows.n_rows(); ++i) {
      for (std::size_t j = 0; j < rows.n_columns(); ++j) model.means[j] += rows(i, j);
    }
    for (double& mean : model.means) mean /= static_cast<double>(rows.n_rows());
    return model;
  }

  template <class Visitor>
  void visit_fields(Visitor&& /*visitor*/) {}
};

/// A gate that trainings pass one by one.
class Gate {
 public:
  /// Blocks the training until it may pass; the first `free` trainings pass at once.
  explicit Gate(int free) : allowed_(free) {}

  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return allowed_ > 0; });
    --allowed_;
    --waiting_;
  }
  /// Lets one more training pass.
  void release() {
    const std::lock_guard lock(mutex_);
    ++allowed_;
    changed_.notify_all();
  }
  /// Blocks until a training stands before the gate.
  void await_waiting() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int allowed_;
  int waiting_ = 0;
};

/// MeanDistance whose training waits at a gate.
struct GatedBackend {
  static constexpr std::string_view name = "gated";
  using Model = MeanDistanceModel;
  std::shared_ptr<Gate> gate;

  [[nodiscard]] Model fit(MatrixView rows, Seed seed) const {
    gate->pass();
    return MeanDistance{}.fit(rows, seed);
  }
};

/// MeanDistance whose training fails while the switch is on.
struct FailingBackend {
  static constexpr std::string_view name = "failing";
  using Model = MeanDistanceModel;
  std::shared_ptr<std::atomic<bool>> fails = std::make_shared<std::atomic<bool>>(false);

  [[nodiscard]] Model fit(MatrixView rows, Seed seed) const {
    if (*fails) throw FitError(ErrorCode::fit_failed, "column 0 has no spread", "0", "a spread");
    return MeanDistance{}.fit(rows, seed);
  }
};

/// MeanDistance whose training throws a number while the switch is on.
struct ThrowingBackend {
  static constexpr std::string_view name = "throwing";
  using Model = MeanDistanceModel;
  std::shared_ptr<std::atomic<bool>> throws = std::make_shared<std::atomic<bool>>(false);

  [[nodiscard]] Model fit(MatrixView rows, Seed seed) const {
    if (*throws) throw 42;  // NOLINT(hicpp-exception-baseclass)
    return MeanDistance{}.fit(rows, seed);
  }
};

/// MeanDistance of windows.
struct WindowMeanDistance {
  static constexpr std::string_view name = "window_mean_distance";
  using Model = MeanDistanceModel;
  std::size_t window = 3;

  [[nodiscard]] Model fit(MatrixView windows, Seed seed) const {
    return MeanDistance{}.fit(windows, seed);
  }

  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("window", window);
  }
};

/// What the trainings of a WarmStartToy were given.
class TrainingLog {
 public:
  /// The means of the model that each training began with; none for one that began with nothing.
  [[nodiscard]] std::vector<std::optional<std::vector<double>>> previous() const {
    const std::lock_guard lock(mutex_);
    return previous_;
  }
  /// Makes trainings that begin with a model last until they are told to stop.
  void block() {
    const std::lock_guard lock(mutex_);
    blocks_ = true;
  }
  /// Whether `n` trainings began within half a minute.
  [[nodiscard]] bool await_begun(std::size_t n) { return await(begun_, n); }
  /// Whether `n` trainings were stopped within half a minute.
  [[nodiscard]] bool await_stopped(std::size_t n) { return await(stopped_, n); }
  /// Whether the training that began last has been told to stop.
  [[nodiscard]] bool stop_requested() const {
    const std::lock_guard lock(mutex_);
    return stop_.stop_requested();
  }

  /// What a training does before it computes anything.
  void train(const MeanDistanceModel* model, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    previous_.push_back(model == nullptr ? std::nullopt : std::optional(model->means));
    stop_ = stop;
    ++begun_;
    changed_.notify_all();
    if (!blocks_ || model == nullptr) return;
    changed_.wait(lock, stop, [] { return false; });
    ++stopped_;
    changed_.notify_all();
    throw FitError(ErrorCode::fit_cancelled, "the training was cancelled");
  }

 private:
  bool await(const std::size_t& counter, std::size_t n) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return counter >= n; });
  }

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<std::optional<std::vector<double>>> previous_;
  std::stop_token stop_;
  std::size_t begun_ = 0;
  std::size_t stopped_ = 0;
  bool blocks_ = false;
};

/// MeanDistance that could begin with a model and be stopped, and logs that it was asked to.
struct WarmStartToy {
  static constexpr std::string_view name = "warm_start";
  using Model = MeanDistanceModel;
  std::shared_ptr<TrainingLog> log = std::make_shared<TrainingLog>();

  [[nodiscard]] Model fit(MatrixView rows, Seed seed) const { return fit(rows, seed, nullptr, {}); }
  [[nodiscard]] Model fit(MatrixView rows, Seed seed, const Model* previous,
                          const std::stop_token& stop) const {
    log->train(previous, stop);
    return MeanDistance{}.fit(rows, seed);
  }

  template <class Visitor>
  void visit_fields(Visitor&& /*visitor*/) {}
};

/// Keeps tasks until the test runs them.
class HeldExecutor final : public Executor {
 public:
  void submit(std::function<void()> task) override { tasks_.push_back(std::move(task)); }
  [[nodiscard]] std::size_t n_tasks() const { return tasks_.size(); }
  void run_all() {
    for (auto& task : std::exchange(tasks_, {})) task();
  }
  void drop_all() { tasks_.clear(); }

 private:
  std::vector<std::function<void()>> tasks_;
};

}  // namespace freshet::test
