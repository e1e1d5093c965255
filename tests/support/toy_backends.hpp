#pragma once

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
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
