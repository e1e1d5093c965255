#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "freshet/core/concepts.hpp"
#include "freshet/stream/generation.hpp"
#include "freshet/stream/training.hpp"

/// @file
/// One training on an executor, until the generation it yields is fetched.

namespace freshet::streamdetail {

/// What is told of a training that threw something other than a std::exception.
inline constexpr const char* unknown_failure = "the backend threw something unknown";

/// A training and its result. Made and read by the detector's thread, run by any one thread.
template <Backend B>
class FitJob {
 public:
  explicit FitJob(Training<B> training) : training_(std::move(training)) {}

  /// Trains. Whatever goes wrong is kept for `error()`.
  void run() noexcept {
    try {
      generation_ = training_.run();
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
  void cancel() noexcept { training_.cancel(); }

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
  [[nodiscard]] const Training<B>& training() const noexcept { return training_; }

 private:
  void finish() noexcept {
    finished_.store(true, std::memory_order_release);
    finished_.notify_all();
  }

  Training<B> training_;
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
