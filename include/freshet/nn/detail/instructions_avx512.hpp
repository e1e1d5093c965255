#pragma once

#include <cstdint>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "freshet/nn/detail/kernel_types.hpp"

/// @file
/// The kernels in AVX-512 (F, DQ, BW, VL).

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#endif

namespace freshet::nn::detail::avx512 {

/// 512 bits of floats.
struct FloatOperations {
  using Value = float;
  using Vector [[gnu::vector_size(64)]] = float;
  using Bits [[gnu::vector_size(64)]] = std::int32_t;

  [[gnu::always_inline]] static Vector broadcast(float value) { return _mm512_set1_ps(value); }
  /// a · b + c
  [[gnu::always_inline]] static Vector fma(Vector a, Vector b, Vector c) {
    return _mm512_fmadd_ps(a, b, c);
  }
  /// The less of each two; `b` where `a` or `b` is NaN. (Masked by all ones: GCC 12 warns of its
  /// own header in the plain form.)
  [[gnu::always_inline]] static Vector min(Vector a, Vector b) {
    return _mm512_maskz_min_ps(0xFFFF, a, b);
  }
  /// The larger of each two; `b` where `a` or `b` is NaN.
  [[gnu::always_inline]] static Vector max(Vector a, Vector b) {
    return _mm512_maskz_max_ps(0xFFFF, a, b);
  }
};

/// 512 bits of doubles.
struct DoubleOperations {
  using Value = double;
  using Vector [[gnu::vector_size(64)]] = double;
  using Bits [[gnu::vector_size(64)]] = std::int64_t;

  [[gnu::always_inline]] static Vector broadcast(double value) { return _mm512_set1_pd(value); }
  /// a · b + c
  [[gnu::always_inline]] static Vector fma(Vector a, Vector b, Vector c) {
    return _mm512_fmadd_pd(a, b, c);
  }
  /// The less of each two; `b` where `a` or `b` is NaN.
  [[gnu::always_inline]] static Vector min(Vector a, Vector b) {
    return _mm512_maskz_min_pd(0xFF, a, b);
  }
  /// The larger of each two; `b` where `a` or `b` is NaN.
  [[gnu::always_inline]] static Vector max(Vector a, Vector b) {
    return _mm512_maskz_max_pd(0xFF, a, b);
  }
};

#include "freshet/nn/detail/kernels.inl"

}  // namespace freshet::nn::detail::avx512

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
