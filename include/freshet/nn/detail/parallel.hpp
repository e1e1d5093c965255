#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <latch>
#include <memory>

#include "freshet/core/executor.hpp"

/// @file
/// The same work on many items, by several threads.

namespace freshet::nn::detail {

/// Threads that share out items, the calling one among them.
class Parallel {
 public:
  /// @param n_threads at least 1; as many as the system gives of them are used.
  explicit Parallel(std::size_t n_threads) : n_helpers_(std::max<std::size_t>(n_threads, 1) - 1) {
    if (n_helpers_ > 0) pool_ = std::make_unique<ThreadPool>(n_helpers_);
  }

  [[nodiscard]] std::size_t n_threads() const noexcept { return n_helpers_ + 1; }

  /// Calls `work(item, thread)` for every item below `n_items`, in any order; `thread` is below
  /// `n_threads()` and different for calls that run at once. Returns when all have. `work` must not
  /// throw.
  template <class Work>
  void operator()(std::size_t n_items, const Work& work) const {
    std::atomic<std::size_t> next{0};
    const auto take = [&](std::size_t thread) {
      for (std::size_t item = next++; item < n_items; item = next++) work(item, thread);
    };
    const std::size_t helpers = std::min(n_helpers_, n_items > 0 ? n_items - 1 : 0);
    std::latch done(static_cast<std::ptrdiff_t>(helpers));
    for (std::size_t thread = 1; thread <= helpers; ++thread) {
      pool_->submit([&take, &done, thread] {
        take(thread);
        done.count_down();
      });
    }
    take(0);
    done.wait();
  }

 private:
  std::size_t n_helpers_;
  std::unique_ptr<ThreadPool> pool_;
};

}  // namespace freshet::nn::detail
