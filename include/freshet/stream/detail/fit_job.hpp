#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "freshet/core/concepts.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/stream/config.hpp"
#include "freshet/stream/generation.hpp"

/// @file
/// One training, from the rows it sees to the generation it yields.

namespace freshet::streamdetail {

/// What is told of a training that threw something other than a std::exception.
inline constexpr const char* unknown_failure = "the backend threw something unknown";

/// A training that owns all it needs, so that it may outlive the detector that asked for it.
/// Made and read by the detector's thread, run by any one thread.
template <Backend B>
class FitJob {
 public:
  /// @param previous  the active generation, where a WarmStartBackend begins; or null
  FitJob(B backend, StreamingConfig config, Matrix rows, std::uint64_t version,
         std::shared_ptr<const Generation<B>> previous)
      : backend_(std::move(backend)),
        config_(std::move(config)),
        rows_(std::move(rows)),
        version_(version),
        previous_(std::move(previous)) {}

  /// Trains. Whatever goes wrong is kept for `error()`.
  void run() noexcept {
    try {
      generation_ = std::make_shared<const Generation<B>>(
          backend_, config_, rows_.view().shingled(config_.shingle), version_, previous_.get(),
          stop_.get_token());
    } catch (const std::exception& error) {
      fail(error.what());
      return;
    } catch (...) {
      fail(unknown_failure);
      return;
    }
    finish();
  }

  /// Tells a training that can be stopped that nobody waits for it any more.
  void cancel() noexcept { stop_.request_stop(); }

  /// Ends the job without a model.
  void fail(const char* why) noexcept {
    try {
      error_ = why;
    } catch (...) {
      error_.clear();  // no memory even for the message
    }
    finish();
  }

  /// Whether `run` or `fail` has ended. Acquires what they wrote.
  [[nodiscard]] bool finished() const noexcept { return finished_.load(std::memory_order_acquire); }

  /// Blocks until `finished()`.
  void wait() const noexcept { finished_.wait(false, std::memory_order_acquire); }

  /// The result, or null when training failed; only when `finished()`.
  [[nodiscard]] const std::shared_ptr<const Generation<B>>& generation() const noexcept {
    return generation_;
  }
  /// Why training failed; only when `finished()`.
  [[nodiscard]] const std::string& error() const noexcept { return error_; }
  /// The rows it trains on, before shingling.
  [[nodiscard]] const Matrix& rows() const noexcept { return rows_; }
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

 private:
  void finish() noexcept {
    finished_.store(true, std::memory_order_release);
    finished_.notify_all();
  }

  B backend_;
  StreamingConfig config_;
  Matrix rows_;
  std::uint64_t version_;
  std::shared_ptr<const Generation<B>> previous_;
  std::stop_source stop_;
  std::shared_ptr<const Generation<B>> generation_;
  std::string error_;
  std::atomic<bool> finished_{false};
};

/// The task that an executor is given: runs the job, or fails it when it is dropped unrun.
template <Backend B>
class FitTask {
 public:
  explicit FitTask(std::shared_ptr<FitJob<B>> job)
      : guard_(std::make_shared<Guard>(Guard{std::move(job)})) {}

  void operator()() const noexcept { guard_->job->run(); }

 private:
  // Shared, since a std::function may be copied: only the last copy tells that none has run.
  struct Guard {
    std::shared_ptr<FitJob<B>> job;

    explicit Guard(std::shared_ptr<FitJob<B>> to_run) noexcept : job(std::move(to_run)) {}
    Guard(Guard&&) noexcept = default;
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (job && !job->finished()) job->fail("the executor ended before the training began");
    }
  };

  std::shared_ptr<Guard> guard_;
};

}  // namespace freshet::streamdetail
