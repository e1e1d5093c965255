// How fast the machine multiplies and adds when nothing else holds it up: what no LSTM goes beyond.

#include <cstddef>

#include "native.hpp"

// The constraint that names a vector register.
#if defined(__aarch64__)
#define FRESHET_REGISTER "+w"
#else
#define FRESHET_REGISTER "+x"
#endif

namespace freshet::bench::native {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t register_size = 64;
#elif defined(__AVX__)
constexpr std::size_t register_size = 32;
#else
constexpr std::size_t register_size = 16;
#endif

using Vector [[gnu::vector_size(register_size)]] = float;

}  // namespace

double multiply_adds(std::size_t n_rounds) {
  // As many sums as hide the latency of two units.
  constexpr std::size_t n_sums = 12;
  Vector factor = Vector{} + 0.5F;
  Vector sums[n_sums] = {};
  // The compiler must not know that all sums are alike, or it would have little left to do, ...
  for (Vector& sum : sums) asm volatile("" : FRESHET_REGISTER(sum));
  for (std::size_t round = 0; round < n_rounds; ++round) {
    // ... and nothing if it knew the factor.
    asm volatile("" : FRESHET_REGISTER(factor));
    for (Vector& sum : sums) sum = factor * sum + factor;
  }
  for (Vector& sum : sums) asm volatile("" : FRESHET_REGISTER(sum));
  return static_cast<double>(n_rounds * n_sums * (register_size / sizeof(float)));
}

}  // namespace freshet::bench::native
