#pragma once

#include <cassert>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "freshet/core/error.hpp"
#include "freshet/nn/detail/kernels.hpp"
#include "freshet/nn/detail/lstm_layer.hpp"
#include "freshet/nn/detail/workspace.hpp"
#include "freshet/nn/tensor.hpp"

/// @file
/// The long short-term memory network.

namespace freshet::nn {

/// Stacked LSTM layers, as `torch.nn.LSTM`: Hochreiter and Schmidhuber, "Long Short-Term Memory",
/// Neural Computation 9, 1997, with the forget gate of Gers, Schmidhuber and Cummins (2000).
///
///     i = σ(W_ii x + b_ii + W_hi h + b_hi)     f, o likewise     g = tanh(…)
///     c' = f ⊙ c + i ⊙ g                        h' = o ⊙ tanh(c')
///
/// Sequences begin with h = c = 0. Several are computed at once, a matrix product per step across
/// all of them, each with the same result to the bit as alone. A value type.
///
/// @tparam Scalar      float or double
/// @tparam InputSize   values per step where a host knows them, else Eigen::Dynamic
/// @tparam HiddenSize  units per layer where a host knows them, else Eigen::Dynamic
template <class Scalar, int InputSize = Eigen::Dynamic, int HiddenSize = Eigen::Dynamic>
class Lstm {
  using Layer = detail::LstmLayer<Scalar>;

 public:
  /// How the inputs of a sequence are given.
  enum class Input {
    every_step,  ///< One row of inputs per step and sequence.
    constant,    ///< One row per sequence, the same at every step.
  };

  /// Weights of 0; for sizes known at compile time.
  explicit Lstm(Index num_layers = 1)
    requires(InputSize != Eigen::Dynamic && HiddenSize != Eigen::Dynamic)
      : Lstm(InputSize, HiddenSize, num_layers) {}

  /// Weights of 0.
  /// @throws ConfigurationError naming the size that is not at least 1, or that the type excludes.
  Lstm(Index input_size, Index hidden_size, Index num_layers = 1) {
    require_parameter(fits<InputSize>(input_size), "input_size", expected<InputSize>());
    require_parameter(fits<HiddenSize>(hidden_size), "hidden_size", expected<HiddenSize>());
    require_parameter(num_layers >= 1, "num_layers", "at least 1");
    Index begin = 0;
    for (Index layer = 0; layer < num_layers; ++layer) {
      layers_.emplace_back(layer == 0 ? input_size : hidden_size, hidden_size, begin);
      begin += layers_.back().n_values();
    }
    values_.resize(static_cast<std::size_t>(begin));
  }

  /// Values of a step that come in.
  [[nodiscard]] Index input_size() const noexcept { return layers_.front().input_size(); }
  /// Units of a layer.
  [[nodiscard]] Index hidden_size() const noexcept { return layers_.front().hidden_size(); }
  /// Layers, one on the other.
  [[nodiscard]] Index num_layers() const noexcept { return static_cast<Index>(layers_.size()); }
  /// The distance of two rows of hidden states: `hidden_size()` rounded up to whole cache lines.
  [[nodiscard]] Index stride() const noexcept { return layers_.front().units(); }

  /// The parameters in PyTorch's order, layout and names ("weight_ih_l0", …); gates are input,
  /// forget, candidate, output.
  [[nodiscard]] std::vector<NamedTensor<Scalar>> tensors() const {
    std::vector<NamedTensor<Scalar>> tensors;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const std::string suffix = "_l" + std::to_string(i);
      for (const auto part : Layer::parts) {
        tensors.push_back({std::string(Layer::name(part)) + suffix,
                           layers_[i].tensor(part, values_.data()), Layer::is_bias(part)});
      }
    }
    return tensors;
  }

  /// Sets the parameters from `tensors`, named and shaped as `tensors()` has them.
  /// @throws ModelFileError (file_mismatch) naming the one that has another shape; nothing changes.
  void set_tensors(std::span<const NamedTensor<Scalar>> tensors) {
    assert(tensors.size() == layers_.size() * Layer::parts.size());
    auto values = values_;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      layers_[i / Layer::parts.size()].set_tensor(
          Layer::parts[i % Layer::parts.size()], tensors[i].name, tensors[i].values, values.data());
    }
    values_ = std::move(values);
  }

  /// All parameters as they lie in memory; what fills up panels is 0 and has a gradient of 0.
  [[nodiscard]] std::span<Scalar> values() noexcept { return values_; }
  /// All parameters, in the order in which gradients are.
  [[nodiscard]] std::span<const Scalar> values() const noexcept { return values_; }

  /// Room that `forward` takes.
  [[nodiscard]] Index forward_size(Index n_steps, Index n_streams) const noexcept {
    return (2 * num_layers()) * padded_size(n_steps * n_streams * layers_.front().units()) +
           num_layers() * layers_.front().forward_size(n_steps, n_streams);
  }

  /// Runs `n_streams` sequences of `n_steps` side by side.
  /// @param inputs  steps × streams rows, or streams rows, of `input_size()` values,
  ///                `input_stride` apart
  /// @return the top layer's hidden states, steps × streams rows `stride()` apart, in `workspace`
  const Scalar* forward(const detail::Kernels<Scalar>& kernels, const Scalar* inputs,
                        Index input_stride, Input input, Index n_steps, Index n_streams,
                        detail::Workspace<Scalar>& workspace) const noexcept {
    for (const Layer& layer : layers_) {
      Scalar* hidden = workspace.take(n_steps * n_streams * layer.units());
      layer.forward(kernels, values_.data(), inputs, input_stride, input == Input::constant,
                    n_steps, n_streams, hidden, workspace);
      inputs = hidden;
      input_stride = layer.units();
      input = Input::every_step;
    }
    return inputs;
  }

  /// What `forward_keeping` keeps for `backward`, a layer after the other.
  using Tape = std::vector<detail::LayerTape<Scalar>>;

  /// Room that `forward_keeping` and `backward` take together.
  [[nodiscard]] Index training_size(Index n_steps, Index n_streams) const noexcept {
    Index size = 0;
    for (const Layer& layer : layers_) size += layer.training_size(n_steps, n_streams);
    return size;
  }

  /// As `forward`, with everything kept that `backward` needs; `tape` and `workspace` keep it.
  const Scalar* forward_keeping(const detail::Kernels<Scalar>& kernels, const Scalar* inputs,
                                Index input_stride, Input input, Index n_steps, Index n_streams,
                                Tape& tape, detail::Workspace<Scalar>& workspace) const {
    tape.clear();
    for (const Layer& layer : layers_) {
      tape.push_back(layer.forward_keeping(kernels, values_.data(), inputs, input_stride,
                                           input == Input::constant, n_steps, n_streams,
                                           workspace));
      inputs = tape.back().hidden;
      input_stride = layer.units();
      input = Input::every_step;
    }
    return inputs;
  }

  /// Room that `transpose` fills.
  [[nodiscard]] Index transposed_size() const noexcept {
    Index size = 0;
    for (const Layer& layer : layers_) size += layer.transposed_size();
    return size;
  }
  /// Writes the weights as `backward` wants them.
  void transpose(Scalar* transposed) const noexcept {
    for (const Layer& layer : layers_) {
      layer.transpose(values_.data(), transposed);
      transposed += layer.transposed_size();
    }
  }

  /// Back through time and layers.
  /// @param transposed        what `transpose` wrote
  /// @param hidden_gradient   of the loss by the top layer's hidden states: steps × streams rows,
  ///                          or, with `only_last`, streams rows for the last step; `stride()`
  ///                          apart
  /// @param gradient          out: of the parameters, in the order of `values()`; those that fill
  /// up
  ///                          panels are left as they are
  /// @param wants_inputs      whether the gradient of the inputs is needed
  /// @return that gradient, rows as the inputs', `padded(input_size())` apart, or null
  const Scalar* backward(const detail::Kernels<Scalar>& kernels, Tape& tape,
                         const Scalar* transposed, const Scalar* hidden_gradient, bool only_last,
                         Scalar* gradient, bool wants_inputs,
                         detail::Workspace<Scalar>& workspace) const noexcept {
    transposed += transposed_size();
    for (std::size_t i = layers_.size(); i-- > 0;) {
      transposed -= layers_[i].transposed_size();
      hidden_gradient = layers_[i].backward(kernels, tape[i], transposed, hidden_gradient,
                                            only_last, gradient, wants_inputs || i > 0, workspace);
      only_last = false;
    }
    return hidden_gradient;
  }

  /// The kernels for this type's sizes.
  [[nodiscard]] static const detail::Kernels<Scalar>& kernels(
      InstructionSet instructions = best_instruction_set()) noexcept {
    return detail::kernels_for<Scalar, (HiddenSize > 0 ? HiddenSize : 0)>(instructions);
  }

  friend bool operator==(const Lstm&, const Lstm&) = default;

 private:
  template <int Fixed>
  [[nodiscard]] static bool fits(Index size) noexcept {
    return size >= 1 && (Fixed == Eigen::Dynamic || size == Fixed);
  }
  template <int Fixed>
  [[nodiscard]] static std::string expected() {
    return Fixed == Eigen::Dynamic ? "at least 1" : std::to_string(Fixed);
  }
  [[nodiscard]] static Index padded_size(Index n) noexcept { return detail::padded<Scalar>(n); }

  std::vector<Layer> layers_;
  detail::AlignedVector<Scalar> values_;
};

}  // namespace freshet::nn
