#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "freshet/nn/activation.hpp"
#include "freshet/nn/dense.hpp"
#include "freshet/nn/detail/kernels.hpp"
#include "freshet/nn/detail/workspace.hpp"
#include "freshet/nn/instruction_set.hpp"

/// @file
/// Layers one after the other.

namespace freshet::nn {

/// Linear layers with an activation after each but the last. A value type; the const functions may
/// be called from many threads, each with a workspace.
template <class Scalar>
class FeedForward {
 public:
  /// Room for what the layers compute.
  using Workspace = detail::Workspace<Scalar>;

  FeedForward() = default;

  /// @param layers  at least one, each with as many inputs as the one before has outputs
  FeedForward(std::vector<Dense<Scalar>> layers, Activation activation)
      : layers_(std::move(layers)), activation_(activation) {}

  /// The layers, in order.
  [[nodiscard]] std::span<const Dense<Scalar>> layers() const noexcept { return layers_; }
  /// What comes after every layer but the last.
  [[nodiscard]] Activation activation() const noexcept { return activation_; }

  /// What the network makes of rows, each to the bit as if it were alone.
  /// @param rows  `n_rows` × the first layer's inputs, one after the other
  /// @return rows of the last layer's outputs, its `stride()` apart, in `workspace`, which the call
  /// restarts
  const Scalar* forward(const Scalar* rows, Index n_rows, Workspace& workspace,
                        InstructionSet instructions = best_instruction_set()) const {
    Index size = 0;
    for (const Dense<Scalar>& layer : layers_) size += n_rows * layer.stride();
    workspace.restart(size);
    const auto& kernels = detail::kernels_for<Scalar>(instructions);
    Index stride = layers_.front().input_size();
    for (const Dense<Scalar>& layer : layers_) {
      Scalar* outputs = workspace.take(n_rows * layer.stride());
      layer.forward(kernels, rows, stride, n_rows, outputs);
      stride = layer.stride();
      if (&layer != &layers_.back()) {
        activate(activation_, std::span(outputs, static_cast<std::size_t>(n_rows * stride)));
      }
      rows = outputs;
    }
    return rows;
  }

  friend bool operator==(const FeedForward&, const FeedForward&) = default;

 private:
  std::vector<Dense<Scalar>> layers_;
  Activation activation_ = Activation::relu;
};

}  // namespace freshet::nn
