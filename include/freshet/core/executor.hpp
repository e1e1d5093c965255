#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

/// @file
/// Where background training runs.

namespace freshet {

/// Runs tasks, now or later. Implement `submit` to train on a host's own threads; it is called
/// once per retrain, never while a row is scored.
class Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor() = default;

  /// Takes `task` to be run once, on any thread. A task that is destroyed without being run counts
  /// as failed. Tasks do not throw.
  virtual void submit(std::function<void()> task) = 0;
};

/// A fixed number of threads that take tasks in the order they came.
class ThreadPool final : public Executor {
 public:
  /// Starts `n_threads` threads, or as many of them as the system gives.
  /// @throws std::system_error when it gives none.
  explicit ThreadPool(std::size_t n_threads = 1) {
    n_threads = std::max<std::size_t>(n_threads, 1);
    threads_.reserve(n_threads);
    for (std::size_t i = 0; i < n_threads; ++i) {
      try {
        threads_.emplace_back([this] { work(); });
      } catch (const std::system_error&) {
        if (threads_.empty()) throw;
        return;
      }
    }
  }

  /// Ends the tasks that are running and drops those that have not begun.
  ~ThreadPool() override {
    std::deque<std::function<void()>> dropped;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      dropped.swap(tasks_);
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void submit(std::function<void()> task) override {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    wake_.notify_one();
  }

 private:
  void work() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
        if (stopping_) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

/// The executor that detectors share unless they are given another: one thread fewer than the
/// machine has, at least one, started on first use.
[[nodiscard]] inline const std::shared_ptr<Executor>& default_executor() {
  static const std::shared_ptr<Executor> executor =
      std::make_shared<ThreadPool>(std::max(2U, std::thread::hardware_concurrency()) - 1U);
  return executor;
}

}  // namespace freshet
