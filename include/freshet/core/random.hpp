#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

/// @file
/// Random numbers that are the same on every platform and standard library.

namespace freshet {

/// xoshiro256++ of Blackman and Vigna (2019), its state filled from a seed by splitmix64.
/// A value type; models UniformRandomBitGenerator.
class RandomGenerator {
 public:
  /// What a call returns, as the standard's distributions want to know.
  using result_type = std::uint64_t;

  /// The same seed gives the same numbers everywhere.
  explicit RandomGenerator(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15ULL;
      std::uint64_t mixed = seed;
      mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9ULL;
      mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebULL;
      word = mixed ^ (mixed >> 31U);
    }
  }

  /// The smallest number that a call returns.
  static constexpr result_type min() noexcept { return 0; }
  /// The largest number that a call returns.
  static constexpr result_type max() noexcept { return ~result_type{0}; }

  /// 64 random bits.
  result_type operator()() noexcept {
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t shifted = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// A double in [0, 1), a multiple of 2⁻⁵³.
  double uniform() noexcept { return static_cast<double>((*this)() >> 11U) * 0x1.0p-53; }

  /// An integer in [0, bound); `bound > 0`. Without bias, by rejection.
  std::uint64_t below(std::uint64_t bound) noexcept {
    const std::uint64_t limit = max() - max() % bound;
    std::uint64_t value = (*this)();
    while (value >= limit) value = (*this)();
    return value % bound;
  }

  /// A standard normal number, by Marsaglia's polar method.
  double normal() noexcept {
    for (;;) {
      const double u = 2.0 * uniform() - 1.0;
      const double v = 2.0 * uniform() - 1.0;
      const double squared = u * u + v * v;
      if (squared > 0.0 && squared < 1.0) return u * std::sqrt(-2.0 * std::log(squared) / squared);
    }
  }

  /// Puts `items` in random order (Fisher and Yates).
  template <class T>
  void shuffle(std::span<T> items) noexcept {
    for (std::size_t i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[static_cast<std::size_t>(below(i))]);
    }
  }

 private:
  std::uint64_t state_[4] = {};
};

}  // namespace freshet
