#pragma once

#include <cstdint>
#include <string_view>

/// @file
/// Which of the processor's instructions kernels use: decided when a program runs, so that one
/// compiled for any x86-64 is as fast as the machine it runs on.

namespace freshet::nn {

/// The sets of instructions that there are kernels for.
enum class InstructionSet : std::uint8_t {
  baseline,  ///< What every processor of the architecture has.
  avx2,      ///< AVX2 and FMA.
  avx512,    ///< AVX-512 F, DQ, BW and VL.
};

/// "baseline", "avx2" or "avx512".
[[nodiscard]] constexpr std::string_view to_string(InstructionSet instructions) noexcept {
  switch (instructions) {
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::avx512:
      return "avx512";
    case InstructionSet::baseline:
      break;
  }
  return "baseline";
}

/// Whether this processor, and its operating system, have `instructions`.
[[nodiscard]] inline bool is_supported(InstructionSet instructions) noexcept {
#if defined(__x86_64__)
  switch (instructions) {
    case InstructionSet::avx512:
      return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
             __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
    case InstructionSet::avx2:
      return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    case InstructionSet::baseline:
      break;
  }
#endif
  return instructions == InstructionSet::baseline;
}

/// The widest set that this processor has. Found out once.
[[nodiscard]] inline InstructionSet best_instruction_set() noexcept {
  static const InstructionSet best = is_supported(InstructionSet::avx512) ? InstructionSet::avx512
                                     : is_supported(InstructionSet::avx2)
                                         ? InstructionSet::avx2
                                         : InstructionSet::baseline;
  return best;
}

}  // namespace freshet::nn
