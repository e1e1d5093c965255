#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <new>
#include <vector>

#include "freshet/nn/detail/kernel_types.hpp"

/// @file
/// Memory as the kernels want it: every array begins on a cache line.

namespace freshet::nn::detail {

/// Allocates on cache lines.
template <class T>
struct AlignedAllocator {
  using value_type = T;

  AlignedAllocator() = default;
  template <class U>
  // NOLINTNEXTLINE(google-explicit-constructor): what a standard allocator is converted by.
  AlignedAllocator(const AlignedAllocator<U>& /*other*/) noexcept {}

  [[nodiscard]] T* allocate(std::size_t n) {
    return static_cast<T*>(::operator new(n * sizeof(T), alignment));
  }
  void deallocate(T* values, std::size_t /*n*/) noexcept { ::operator delete(values, alignment); }

  friend bool operator==(const AlignedAllocator&, const AlignedAllocator&) noexcept = default;

 private:
  static constexpr std::align_val_t alignment{static_cast<std::size_t>(cache_line)};
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

/// Room for the arrays of one calculation, taken one after the other and given back together, so
/// that a calculation that is repeated allocates the first time only.
template <class T>
class Workspace {
 public:
  /// Gives everything back and makes sure of room for `n_values`, each array rounded up to cache
  /// lines. Arrays taken before are no longer valid.
  void restart(Index n_values) {
    if (static_cast<Index>(values_.size()) < n_values) {
      values_.resize(static_cast<std::size_t>(n_values));
    }
    used_ = 0;
  }

  /// The next `n_values`, undefined.
  [[nodiscard]] T* take(Index n_values) noexcept {
    T* taken = values_.data() + used_;
    used_ += padded<T>(n_values);
    assert(used_ <= static_cast<Index>(values_.size()));
    return taken;
  }

 private:
  AlignedVector<T> values_;
  Index used_ = 0;
};

}  // namespace freshet::nn::detail
