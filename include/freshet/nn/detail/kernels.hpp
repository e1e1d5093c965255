#pragma once

#include "freshet/nn/detail/instructions_avx2.hpp"
#include "freshet/nn/detail/instructions_avx512.hpp"
#include "freshet/nn/detail/instructions_baseline.hpp"
#include "freshet/nn/detail/kernel_types.hpp"
#include "freshet/nn/instruction_set.hpp"

/// @file
/// The choice among the kernels.

namespace freshet::nn::detail {

/// The kernels for `instructions`, which this processor must have.
/// @tparam HiddenSize the units per layer where they are known at compile time, else 0.
template <class T, int HiddenSize = 0>
[[nodiscard]] inline const Kernels<T>& kernels_for(
    InstructionSet instructions = best_instruction_set()) noexcept {
#if defined(__x86_64__)
  if (instructions == InstructionSet::avx512) return avx512::kernels<T, HiddenSize>;
  if (instructions == InstructionSet::avx2) return avx2::kernels<T, HiddenSize>;
#endif
  (void)instructions;
  return baseline::kernels<T, HiddenSize>;
}

}  // namespace freshet::nn::detail
