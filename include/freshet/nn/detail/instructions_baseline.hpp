#pragma once

#include <cstdint>
#include <type_traits>

#include "freshet/nn/detail/kernel_types.hpp"

/// @file
/// The kernels in what every processor of the architecture has.

namespace freshet::nn::detail::baseline {

/// 128 bits of floats.
struct FloatOperations {
  using Value = float;
  using Vector [[gnu::vector_size(16)]] = float;
  using Bits [[gnu::vector_size(16)]] = std::int32_t;

  [[gnu::always_inline]] static Vector broadcast(float value) {
    return Vector{value, value, value, value};
  }
  /// a · b + c
  [[gnu::always_inline]] static Vector fma(Vector a, Vector b, Vector c) { return a * b + c; }
  /// The less of each two; `b` where `a` or `b` is NaN.
  [[gnu::always_inline]] static Vector min(Vector a, Vector b) { return a < b ? a : b; }
  /// The larger of each two; `b` where `a` or `b` is NaN.
  [[gnu::always_inline]] static Vector max(Vector a, Vector b) { return a > b ? a : b; }
};

/// 128 bits of doubles.
struct DoubleOperations {
  using Value = double;
  using Vector [[gnu::vector_size(16)]] = double;
  using Bits [[gnu::vector_size(16)]] = std::int64_t;

  [[gnu::always_inline]] static Vector broadcast(double value) { return Vector{value, value}; }
  /// a · b + c
  [[gnu::always_inline]] static Vector fma(Vector a, Vector b, Vector c) { return a * b + c; }
  /// The less of each two; `b` where `a` or `b` is NaN.
  [[gnu::always_inline]] static Vector min(Vector a, Vector b) { return a < b ? a : b; }
  /// The larger of each two; `b` where `a` or `b` is NaN.
  [[gnu::always_inline]] static Vector max(Vector a, Vector b) { return a > b ? a : b; }
};

#include "freshet/nn/detail/kernels.inl"

}  // namespace freshet::nn::detail::baseline
