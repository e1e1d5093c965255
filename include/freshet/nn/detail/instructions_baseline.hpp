#pragma once

#include <cstdint>
#include <type_traits>

#include "freshet/nn/detail/kernel_types.hpp"

/// @file
/// The kernels in what every processor of the architecture has.

namespace freshet::nn::detail::baseline {

/// 128 bits of floats.
struct FloatPack {
  using Vector [[gnu::vector_size(16)]] = float;
  using Bits [[gnu::vector_size(16)]] = std::int32_t;
  static constexpr Index width = 16 / sizeof(float);

  [[gnu::always_inline]] static Vector load(const float* from) {
    Vector vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
  }
  [[gnu::always_inline]] static void store(float* to, Vector vector) {
    __builtin_memcpy(to, &vector, sizeof vector);
  }
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
struct DoublePack {
  using Vector [[gnu::vector_size(16)]] = double;
  using Bits [[gnu::vector_size(16)]] = std::int64_t;
  static constexpr Index width = 16 / sizeof(double);

  [[gnu::always_inline]] static Vector load(const double* from) {
    Vector vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
  }
  [[gnu::always_inline]] static void store(double* to, Vector vector) {
    __builtin_memcpy(to, &vector, sizeof vector);
  }
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
