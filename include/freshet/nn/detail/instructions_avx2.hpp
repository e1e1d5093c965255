#pragma once

#include <cstdint>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "freshet/nn/detail/kernel_types.hpp"

/// @file
/// The kernels in AVX2 and FMA.

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

namespace freshet::nn::detail::avx2 {

/// 256 bits of floats.
struct FloatOperations {
  using Value = float;
  using Vector [[gnu::vector_size(32)]] = float;
  using Bits [[gnu::vector_size(32)]] = std::int32_t;

  [[gnu::always_inline]] static Vector broadcast(float value) { return _mm256_set1_ps(value); }
  /// a · b + c
  [[gnu::always_inline]] static Vector fma(Vector a, Vector b, Vector c) {
    return _mm256_fmadd_ps(a, b, c);
  }
  /// The less of each two; `b` where `a` or `b` is NaN.
  [[gnu::always_inline]] static Vector min(Vector a, Vector b) { return _mm256_min_ps(a, b); }
  /// The larger of each two; `b` where `a` or `b` is NaN.
  [[gnu::always_inline]] static Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
};

/// 256 bits of doubles.
struct DoubleOperations {
  using Value = double;
  using Vector [[gnu::vector_size(32)]] = double;
  using Bits [[gnu::vector_size(32)]] = std::int64_t;

  [[gnu::always_inline]] static Vector broadcast(double value) { return _mm256_set1_pd(value); }
  /// a · b + c
  [[gnu::always_inline]] static Vector fma(Vector a, Vector b, Vector c) {
    return _mm256_fmadd_pd(a, b, c);
  }
  /// The less of each two; `b` where `a` or `b` is NaN.
  [[gnu::always_inline]] static Vector min(Vector a, Vector b) { return _mm256_min_pd(a, b); }
  /// The larger of each two; `b` where `a` or `b` is NaN.
  [[gnu::always_inline]] static Vector max(Vector a, Vector b) { return _mm256_max_pd(a, b); }
};

#include "freshet/nn/detail/kernels.inl"

}  // namespace freshet::nn::detail::avx2

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
