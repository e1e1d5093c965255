#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <Eigen/Core>

#include "freshet/core/error.hpp"
#include "freshet/core/random.hpp"
#include "freshet/nn/dense.hpp"
#include "freshet/nn/lstm.hpp"
#include "freshet/nn/tensor.hpp"

/// @file
/// The LSTM autoencoder as a network: windows in, their reconstructions out.

namespace freshet::nn {

/// The sizes of an autoencoder.
struct AutoencoderSizes {
  /// Values of a row.
  Index n_columns = 1;
  /// Units of a layer.
  Index hidden_size = 32;
  /// Layers of the encoder, and as many of the decoder.
  Index num_layers = 1;
  Index latent_size = 0;  ///< 0 for none: the hidden state itself is what is decoded.

  friend bool operator==(const AutoencoderSizes&, const AutoencoderSizes&) = default;
};

/// The number of an autoencoder's parameters.
[[nodiscard]] constexpr std::size_t n_parameters(const AutoencoderSizes& sizes) noexcept {
  const Index hidden = sizes.hidden_size;
  const auto lstm = [&](Index input) {
    return 4 * hidden * (input + hidden + 2 + (sizes.num_layers - 1) * (2 * hidden + 2));
  };
  const Index latent = sizes.latent_size;
  return static_cast<std::size_t>(lstm(sizes.n_columns) + lstm(latent > 0 ? latent : hidden) +
                                  latent * (hidden + 1) + sizes.n_columns * (hidden + 1));
}

/// Encoder and decoder (Srivastava, Mansimov and Salakhutdinov, "Unsupervised Learning of Video
/// Representations using LSTMs", ICML 2015; Malhotra et al., "LSTM-based Encoder-Decoder for
/// Multi-sensor Anomaly Detection", 2016): an LSTM reads the window, its top layer's last hidden
/// state, through a linear bottleneck if there is one, is the input of every step of a second LSTM,
/// and a linear layer turns each of its steps into a row.
///
/// Windows are given step by step, each step's rows side by side: steps × streams × n_columns. A
/// value type; the const functions may be called from many threads, each with a workspace.
///
/// @tparam Scalar               float or double
/// @tparam Columns, HiddenSize  sizes that a host knows when it compiles, else Eigen::Dynamic
template <class Scalar, int Columns = Eigen::Dynamic, int HiddenSize = Eigen::Dynamic>
class Autoencoder {
 public:
  /// Memory that calls use and a thread keeps.
  using Workspace = detail::Workspace<Scalar>;
  /// The functions compiled for an instruction set.
  using Kernels = detail::Kernels<Scalar>;

  /// Weights of 0.
  /// @throws ConfigurationError naming the size that is not at least 1.
  explicit Autoencoder(const AutoencoderSizes& sizes)
      : sizes_(checked(sizes)),
        encoder_(sizes.n_columns, sizes.hidden_size, sizes.num_layers),
        decoder_(sizes.latent_size > 0 ? sizes.latent_size : sizes.hidden_size, sizes.hidden_size,
                 sizes.num_layers),
        output_(sizes.hidden_size, sizes.n_columns) {
    if (sizes.latent_size > 0) to_latent_.emplace(sizes.hidden_size, sizes.latent_size);
  }

  /// The sizes it was made with.
  [[nodiscard]] const AutoencoderSizes& sizes() const noexcept { return sizes_; }

  /// Draws all parameters uniformly from ±1/√hidden_size, as PyTorch's layers do by default.
  void initialize(RandomGenerator& random) {
    const double reach = 1.0 / std::sqrt(static_cast<double>(sizes_.hidden_size));
    std::vector<NamedTensor<Scalar>> drawn = tensors();
    for (NamedTensor<Scalar>& tensor : drawn) {
      for (Scalar& value : tensor.values.reshaped()) {
        value = static_cast<Scalar>(reach * (2.0 * random.uniform() - 1.0));
      }
    }
    set_tensors(drawn);
  }

  /// The parameters as PyTorch's state dict has them: encoder.…, to_latent.…, decoder.…, output.….
  [[nodiscard]] std::vector<NamedTensor<Scalar>> tensors() const {
    std::vector<NamedTensor<Scalar>> all;
    const auto add = [&all](const std::string& module, std::vector<NamedTensor<Scalar>> tensors) {
      for (NamedTensor<Scalar>& tensor : tensors) {
        tensor.name.insert(0, module + ".");
        all.push_back(std::move(tensor));
      }
    };
    add("encoder", encoder_.tensors());
    if (to_latent_) add("to_latent", dense_tensors(*to_latent_));
    add("decoder", decoder_.tensors());
    add("output", dense_tensors(output_));
    return all;
  }

  /// Sets all parameters, in any order; nothing changes when one is refused.
  /// @throws ModelFileError (file_mismatch) naming the tensor that is missing, unknown, comes twice
  /// or has another shape.
  void set_tensors(std::span<const NamedTensor<Scalar>> given) {
    std::vector<NamedTensor<Scalar>> ordered = tensors();
    std::vector<bool> seen(ordered.size(), false);
    for (const NamedTensor<Scalar>& tensor : given) {
      const auto found = std::ranges::find(ordered, tensor.name, &NamedTensor<Scalar>::name);
      const auto at = static_cast<std::size_t>(found - ordered.begin());
      if (found == ordered.end() || seen[at]) {
        throw ModelFileError(
            ErrorCode::file_mismatch,
            tensor.name +
                (found == ordered.end() ? " is no parameter of this network" : " comes twice"),
            tensor.name, "every parameter once");
      }
      seen[at] = true;
      require_shape(tensor.name, tensor.values, found->values.rows(), found->values.cols());
      if (tensor.is_vector != found->is_vector) {
        const std::string expected = found->is_vector ? "a vector" : "a matrix";
        throw ModelFileError(ErrorCode::file_mismatch, tensor.name + " is not " + expected,
                             tensor.name, expected);
      }
      found->values = tensor.values;
    }
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (seen[i]) continue;
      throw ModelFileError(ErrorCode::file_mismatch, ordered[i].name + " is missing",
                           ordered[i].name, "every parameter once");
    }
    const std::size_t per_lstm = 4 * static_cast<std::size_t>(sizes_.num_layers);
    std::span<const NamedTensor<Scalar>> rest = ordered;
    const auto take = [&rest](std::size_t n) {
      const auto taken = rest.first(n);
      rest = rest.subspan(n);
      return taken;
    };
    const auto set_dense = [&take](Dense<Scalar>& dense) {
      const auto pair = take(2);
      dense.set_weight(pair[0].values);
      dense.set_bias(pair[1].values);
    };
    encoder_.set_tensors(take(per_lstm));
    if (to_latent_) set_dense(*to_latent_);
    decoder_.set_tensors(take(per_lstm));
    set_dense(output_);
  }

  /// The distance of two rows of a reconstruction.
  [[nodiscard]] Index output_stride() const noexcept { return output_.stride(); }

  /// Room that `reconstruct` takes.
  [[nodiscard]] Index forward_size(Index n_steps, Index n_streams) const noexcept {
    return encoder_.forward_size(n_steps, n_streams) + decoder_.forward_size(n_steps, n_streams) +
           latent_size_of(n_streams) + n_steps * n_streams * output_.stride();
  }

  /// The reconstructions of `n_streams` windows of `n_steps`, each to the bit as if it were alone.
  /// @param windows  steps × streams × n_columns
  /// @return steps × streams rows, `output_stride()` apart, in `workspace`, which the call restarts
  const Scalar* reconstruct(const Scalar* windows, Index n_steps, Index n_streams,
                            Workspace& workspace,
                            InstructionSet instructions = best_instruction_set()) const {
    workspace.restart(forward_size(n_steps, n_streams));
    const Kernels& kernels = Encoder::kernels(instructions);
    const Scalar* hidden =
        encoder_.forward(kernels, windows, sizes_.n_columns, Encoder::Input::every_step, n_steps,
                         n_streams, workspace);
    const Scalar* code = last_step(hidden, n_steps, n_streams);
    Index code_stride = encoder_.stride();
    if (to_latent_) {
      Scalar* latent = workspace.take(n_streams * to_latent_->stride());
      to_latent_->forward(kernels, code, code_stride, n_streams, latent);
      code = latent;
      code_stride = to_latent_->stride();
    }
    hidden = decoder_.forward(kernels, code, code_stride, Decoder::Input::constant, n_steps,
                              n_streams, workspace);
    Scalar* outputs = workspace.take(n_steps * n_streams * output_.stride());
    output_.forward(kernels, hidden, decoder_.stride(), n_steps * n_streams, outputs);
    return outputs;
  }

  /// Writes each window's mean squared error, added up in double precision in a fixed order.
  /// @param windows, outputs  as given to and returned by `reconstruct`
  void window_errors(const Scalar* windows, const Scalar* outputs, Index n_steps, Index n_streams,
                     double* errors) const noexcept {
    std::fill_n(errors, n_streams, 0.0);
    for (Index row = 0; row < n_steps * n_streams; ++row) {
      for (Index column = 0; column < sizes_.n_columns; ++column) {
        const double error = static_cast<double>(outputs[row * output_stride() + column]) -
                             static_cast<double>(windows[row * sizes_.n_columns + column]);
        errors[row % n_streams] += error * error;
      }
    }
    const auto n_values = static_cast<double>(n_steps * sizes_.n_columns);
    for (Index stream = 0; stream < n_streams; ++stream) errors[stream] /= n_values;
  }

  // ---- training ----

  /// Values in the order of all parameters, as gradients and an optimizer's moments are.
  using Parameters = std::array<detail::AlignedVector<Scalar>, 4>;

  /// Zeros for every parameter.
  [[nodiscard]] Parameters zeros() const {
    Parameters zeros;
    const auto sizes = const_blocks();
    for (std::size_t i = 0; i < zeros.size(); ++i) zeros[i].resize(sizes[i].size());
    return zeros;
  }

  /// All parameters: of encoder, bottleneck (none without), decoder and output.
  [[nodiscard]] std::array<std::span<Scalar>, 4> blocks() noexcept {
    return {encoder_.values(), to_latent_ ? to_latent_->values() : std::span<Scalar>{},
            decoder_.values(), output_.values()};
  }

  /// Room for what `transpose` writes.
  [[nodiscard]] Index transposed_size() const noexcept {
    return encoder_.transposed_size() + decoder_.transposed_size() + output_.transposed_size() +
           (to_latent_ ? to_latent_->transposed_size() : 0);
  }
  /// Writes the weights as `gradient` wants them, once for all windows that see these weights.
  void transpose(Scalar* transposed) const noexcept {
    encoder_.transpose(transposed);
    decoder_.transpose(transposed += encoder_.transposed_size());
    output_.transpose(transposed += decoder_.transposed_size());
    if (to_latent_) to_latent_->transpose(transposed + output_.transposed_size());
  }

  /// Room that `gradient` takes.
  [[nodiscard]] Index training_size(Index n_steps, Index n_streams) const noexcept {
    return encoder_.training_size(n_steps, n_streams) + decoder_.training_size(n_steps, n_streams) +
           2 * latent_size_of(n_streams) + 2 * n_steps * n_streams * output_.stride() +
           detail::padded<Scalar>(n_steps * n_streams * decoder_.stride()) +
           detail::padded<Scalar>(n_streams * encoder_.stride());
  }

  /// Backpropagation through time.
  /// @param windows     as for `reconstruct`
  /// @param weight      what a squared error counts in the loss: 1 / (windows · steps · columns)
  ///                    makes it the mean
  /// @param transposed  what `transpose` wrote
  /// @param gradient    out, made by `zeros()`
  /// @return the sum of the squared errors
  double gradient(const Scalar* windows, Index n_steps, Index n_streams, Scalar weight,
                  const Scalar* transposed, Parameters& gradient, Workspace& workspace,
                  InstructionSet instructions = best_instruction_set()) const;

  friend bool operator==(const Autoencoder&, const Autoencoder&) = default;

 private:
  using Encoder = Lstm<Scalar, Columns, HiddenSize>;
  using Decoder = Lstm<Scalar, Eigen::Dynamic, HiddenSize>;

  static AutoencoderSizes checked(const AutoencoderSizes& sizes) {
    require_parameter(sizes.n_columns >= 1, "n_columns", "at least 1");
    require_parameter(sizes.latent_size >= 0, "latent_size", "at least 0");
    return sizes;
  }

  static std::vector<NamedTensor<Scalar>> dense_tensors(const Dense<Scalar>& dense) {
    return {{"weight", dense.weight(), false}, {"bias", dense.bias(), true}};
  }

  [[nodiscard]] std::array<std::span<const Scalar>, 4> const_blocks() const noexcept {
    return {encoder_.values(), to_latent_ ? to_latent_->values() : std::span<const Scalar>{},
            decoder_.values(), output_.values()};
  }

  [[nodiscard]] const Scalar* last_step(const Scalar* hidden, Index n_steps,
                                        Index n_streams) const noexcept {
    return hidden + (n_steps - 1) * n_streams * encoder_.stride();
  }
  [[nodiscard]] Index latent_size_of(Index n_streams) const noexcept {
    return to_latent_ ? n_streams * to_latent_->stride() : 0;
  }

  AutoencoderSizes sizes_;
  Encoder encoder_;
  std::optional<Dense<Scalar>> to_latent_;
  Decoder decoder_;
  Dense<Scalar> output_;
};

template <class Scalar, int Columns, int HiddenSize>
double Autoencoder<Scalar, Columns, HiddenSize>::gradient(
    const Scalar* windows, Index n_steps, Index n_streams, Scalar weight, const Scalar* transposed,
    Parameters& gradient, Workspace& workspace, InstructionSet instructions) const {
  workspace.restart(training_size(n_steps, n_streams));
  const Kernels& kernels = Encoder::kernels(instructions);
  const Index n_rows = n_steps * n_streams;
  auto& [of_encoder, of_latent, of_decoder, of_output] = gradient;

  typename Encoder::Tape encoder_tape;
  typename Decoder::Tape decoder_tape;
  const Scalar* hidden =
      encoder_.forward_keeping(kernels, windows, sizes_.n_columns, Encoder::Input::every_step,
                               n_steps, n_streams, encoder_tape, workspace);
  const Scalar* last = last_step(hidden, n_steps, n_streams);
  const Scalar* code = last;
  Index code_stride = encoder_.stride();
  if (to_latent_) {
    Scalar* latent = workspace.take(latent_size_of(n_streams));
    to_latent_->forward(kernels, last, code_stride, n_streams, latent);
    code = latent;
    code_stride = to_latent_->stride();
  }
  hidden = decoder_.forward_keeping(kernels, code, code_stride, Decoder::Input::constant, n_steps,
                                    n_streams, decoder_tape, workspace);
  const Index stride = output_.stride();
  Scalar* outputs = workspace.take(n_rows * stride);
  output_.forward(kernels, hidden, decoder_.stride(), n_rows, outputs);

  Scalar* of_outputs = workspace.take(n_rows * stride);
  std::fill_n(of_outputs, n_rows * stride, Scalar{0});
  double squares = 0.0;
  for (Index row = 0; row < n_rows; ++row) {
    for (Index column = 0; column < sizes_.n_columns; ++column) {
      const Scalar error =
          outputs[row * stride + column] - windows[row * sizes_.n_columns + column];
      squares += static_cast<double>(error) * static_cast<double>(error);
      of_outputs[row * stride + column] = Scalar{2} * weight * error;
    }
  }

  const Scalar* of_encoder_weights = transposed;
  const Scalar* of_decoder_weights = of_encoder_weights + encoder_.transposed_size();
  const Scalar* of_output_weights = of_decoder_weights + decoder_.transposed_size();
  output_.parameter_gradient(kernels, hidden, decoder_.stride(), n_rows, of_outputs,
                             of_output.data());
  Scalar* of_hidden = workspace.take(n_rows * decoder_.stride());
  output_.input_gradient(kernels, of_output_weights, of_outputs, n_rows, of_hidden);
  const Scalar* of_code = decoder_.backward(kernels, decoder_tape, of_decoder_weights, of_hidden,
                                            false, of_decoder.data(), true, workspace);
  if (to_latent_) {
    to_latent_->parameter_gradient(kernels, last, encoder_.stride(), n_streams, of_code,
                                   of_latent.data());
    Scalar* of_last = workspace.take(n_streams * encoder_.stride());
    to_latent_->input_gradient(kernels, of_output_weights + output_.transposed_size(), of_code,
                               n_streams, of_last);
    of_code = of_last;
  }
  encoder_.backward(kernels, encoder_tape, of_encoder_weights, of_code, true, of_encoder.data(),
                    false, workspace);
  return squares;
}

}  // namespace freshet::nn
