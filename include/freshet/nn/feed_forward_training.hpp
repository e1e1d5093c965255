#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "freshet/core/random.hpp"
#include "freshet/nn/activation.hpp"
#include "freshet/nn/dense.hpp"
#include "freshet/nn/detail/kernels.hpp"
#include "freshet/nn/detail/workspace.hpp"
#include "freshet/nn/feed_forward.hpp"
#include "freshet/nn/instruction_set.hpp"

/// @file
/// Backpropagation through layers that are normalized and thinned out while they are trained.

namespace freshet::nn {

/// What a network of layers has in training besides its sizes.
struct FeedForwardOptions {
  Activation activation = Activation::relu;  ///< After every layer but the last.
  bool batch_norm = true;     ///< Ioffe and Szegedy, "Batch Normalization", ICML 2015.
  double dropout_rate = 0.0;  ///< Srivastava et al., "Dropout", JMLR 2014: 0 <= rate < 1.
};

/// A network that learns to reconstruct its inputs: before the activation of every layer but the
/// last its sums are normalized, after it some of its outputs are set to 0, as PyTorch's layers
/// BatchNorm1d (momentum 0.1, epsilon 1e-5) and Dropout do. `network()` is what has been learnt,
/// with the normalization in the weights.
template <class Scalar>
class FeedForwardTraining {
 public:
  /// How much a batch counts in the means and variances that are kept.
  static constexpr double momentum = 0.1;
  /// Added to variances before their roots are taken.
  static constexpr double epsilon = 1e-5;

  /// Draws the weights as PyOD does: Kaiming's uniform distribution of hidden layers, ±1/√inputs of
  /// biases and of the last layer.
  /// @param widths  of the inputs, of every layer, and of the inputs again
  FeedForwardTraining(std::span<const Index> widths, const FeedForwardOptions& options,
                      RandomGenerator& random)
      : options_(options) {
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
      const bool is_hidden = i + 2 < widths.size();
      layers_.emplace_back(widths[i], widths[i + 1], is_hidden && options.batch_norm);
      layers_.back().draw(random, is_hidden);
    }
  }

  /// All parameters.
  [[nodiscard]] std::vector<std::span<Scalar>> blocks() noexcept {
    return collected([](Layer& layer) {
      return std::array{layer.linear.values(), std::span(layer.gamma), std::span(layer.beta)};
    });
  }
  /// The gradients that `gradient` has computed, in blocks as the parameters.
  [[nodiscard]] std::vector<std::span<Scalar>> gradients() noexcept {
    return collected([](Layer& layer) {
      return std::array{std::span<Scalar>(layer.of_linear), std::span(layer.of_gamma),
                        std::span(layer.of_beta)};
    });
  }

  /// Computes the gradients of `weight` times the sum of the squared errors of a batch, and moves
  /// the means and variances towards those of the batch.
  /// @param rows    `n_rows` × inputs, one after the other
  /// @param random  what dropout draws from
  /// @return the sum of the squared errors
  double gradient(const Scalar* rows, Index n_rows, Scalar weight, RandomGenerator& random,
                  InstructionSet instructions = best_instruction_set());

  /// What has been learnt.
  [[nodiscard]] FeedForward<Scalar> network() const {
    std::vector<Dense<Scalar>> folded;
    folded.reserve(layers_.size());
    for (const Layer& layer : layers_) folded.push_back(layer.folded());
    return {std::move(folded), options_.activation};
  }

 private:
  struct Layer {
    Layer(Index n_inputs, Index n_outputs, bool is_normalized)
        : linear(n_inputs, n_outputs),
          of_linear(linear.values().size()),
          transposed(static_cast<std::size_t>(linear.transposed_size())) {
      if (!is_normalized) return;
      const auto n = static_cast<std::size_t>(n_outputs);
      gamma.assign(n, Scalar(1));
      variance.assign(n, Scalar(1));
      for (auto* zeros : {&beta, &of_gamma, &of_beta, &mean, &inverse}) zeros->assign(n, Scalar(0));
    }

    [[nodiscard]] bool is_normalized() const noexcept { return !gamma.empty(); }

    void draw(RandomGenerator& random, bool is_hidden) {
      const double fan_in = static_cast<double>(linear.input_size());
      const auto draw_all = [&random](Tensor<Scalar> tensor, double reach) {
        for (Scalar& value : tensor.reshaped()) {
          value = static_cast<Scalar>(reach * (2.0 * random.uniform() - 1.0));
        }
        return tensor;
      };
      linear.set_weight(draw_all(linear.weight(), std::sqrt((is_hidden ? 6.0 : 1.0) / fan_in)));
      linear.set_bias(draw_all(linear.bias(), 1.0 / std::sqrt(fan_in)));
    }

    [[nodiscard]] Dense<Scalar> folded() const {
      if (!is_normalized()) return linear;
      Dense<Scalar> layer = linear;
      Tensor<Scalar> weight = linear.weight();
      Tensor<Scalar> bias = linear.bias();
      for (Index j = 0; j < linear.output_size(); ++j) {
        const auto at = static_cast<std::size_t>(j);
        const Scalar factor = gamma[at] / std::sqrt(variance[at] + Scalar(epsilon));
        weight.row(j) *= factor;
        bias(j, 0) = (bias(j, 0) - mean[at]) * factor + beta[at];
      }
      layer.set_weight(weight);
      layer.set_bias(bias);
      return layer;
    }

    void normalize(Scalar* sums, Scalar* normalized, Index n_rows);
    void normalize_backward(Scalar* gradient, const Scalar* normalized, Index n_rows);

    Dense<Scalar> linear;
    detail::AlignedVector<Scalar> of_linear;
    detail::AlignedVector<Scalar> transposed;
    std::vector<Scalar> gamma, beta, of_gamma, of_beta;
    std::vector<Scalar> mean, variance;  // of all batches, the last ones counting most
    std::vector<Scalar> inverse;         // of the batch's standard deviations
  };

  // What the way forward leaves for the way back.
  struct Kept {
    const Scalar* inputs = nullptr;
    Index input_stride = 0;
    Scalar* outputs = nullptr;     // of the activation, or of the last layer
    Scalar* normalized = nullptr;  // sums of the batch with mean 0 and variance 1
    Scalar* kept = nullptr;        // by dropout: 0, or what the others are multiplied by
  };

  template <class Select>
  [[nodiscard]] std::vector<std::span<Scalar>> collected(const Select& select) noexcept {
    std::vector<std::span<Scalar>> all;
    for (Layer& layer : layers_) {
      for (const std::span<Scalar> block : select(layer)) {
        if (!block.empty()) all.push_back(block);
      }
    }
    return all;
  }

  void forward(Index n_rows, const detail::Kernels<Scalar>& kernels, RandomGenerator& random);
  void backward(Scalar* gradient, Index n_rows, const detail::Kernels<Scalar>& kernels);

  FeedForwardOptions options_;
  std::vector<Layer> layers_;
  std::vector<Kept> kept_;
  detail::Workspace<Scalar> workspace_;
};

template <class Scalar>
double FeedForwardTraining<Scalar>::gradient(const Scalar* rows, Index n_rows, Scalar weight,
                                             RandomGenerator& random, InstructionSet instructions) {
  const auto& kernels = detail::kernels_for<Scalar>(instructions);
  Index size = 0;
  for (const Layer& layer : layers_) {
    size += 5 * n_rows * layer.linear.stride() +
            n_rows * detail::padded<Scalar>(layer.linear.input_size());
  }
  workspace_.restart(size);
  kept_.assign(layers_.size(), {});
  kept_.front() = {.inputs = rows, .input_stride = layers_.front().linear.input_size()};
  forward(n_rows, kernels, random);

  const Dense<Scalar>& last = layers_.back().linear;
  const Scalar* outputs = kept_.back().outputs;
  Scalar* of_outputs = workspace_.take(n_rows * last.stride());
  std::fill_n(of_outputs, n_rows * last.stride(), Scalar(0));
  double squares = 0.0;
  for (Index i = 0; i < n_rows; ++i) {
    for (Index j = 0; j < last.output_size(); ++j) {
      const Scalar error = outputs[i * last.stride() + j] - rows[i * last.output_size() + j];
      squares += static_cast<double>(error) * static_cast<double>(error);
      of_outputs[i * last.stride() + j] = Scalar(2) * weight * error;
    }
  }
  backward(of_outputs, n_rows, kernels);
  return squares;
}

template <class Scalar>
void FeedForwardTraining<Scalar>::forward(Index n_rows, const detail::Kernels<Scalar>& kernels,
                                          RandomGenerator& random) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    Kept& kept = kept_[i];
    const Index n_values = n_rows * layer.linear.stride();
    kept.outputs = workspace_.take(n_values);
    layer.linear.forward(kernels, kept.inputs, kept.input_stride, n_rows, kept.outputs);
    if (i + 1 == layers_.size()) return;
    if (layer.is_normalized()) {
      kept.normalized = workspace_.take(n_values);
      layer.normalize(kept.outputs, kept.normalized, n_rows);
    }
    activate(options_.activation, std::span(kept.outputs, static_cast<std::size_t>(n_values)));
    kept_[i + 1] = {.inputs = kept.outputs, .input_stride = layer.linear.stride()};
    if (options_.dropout_rate == 0.0) continue;
    kept.kept = workspace_.take(n_values);
    Scalar* thinned = workspace_.take(n_values);
    const auto factor = static_cast<Scalar>(1.0 / (1.0 - options_.dropout_rate));
    for (Index k = 0; k < n_values; ++k) {
      kept.kept[k] = random.uniform() < options_.dropout_rate ? Scalar(0) : factor;
      thinned[k] = kept.outputs[k] * kept.kept[k];
    }
    kept_[i + 1].inputs = thinned;
  }
}

template <class Scalar>
void FeedForwardTraining<Scalar>::backward(Scalar* gradient, Index n_rows,
                                           const detail::Kernels<Scalar>& kernels) {
  for (std::size_t i = layers_.size(); i-- > 0;) {
    Layer& layer = layers_[i];
    const Kept& kept = kept_[i];
    if (i + 1 < layers_.size()) {
      for (Index k = 0; k < n_rows * layer.linear.stride(); ++k) {
        const Scalar passed = kept.kept == nullptr ? gradient[k] : gradient[k] * kept.kept[k];
        gradient[k] = passed * derivative(options_.activation, kept.outputs[k]);
      }
      if (layer.is_normalized()) layer.normalize_backward(gradient, kept.normalized, n_rows);
    }
    layer.linear.parameter_gradient(kernels, kept.inputs, kept.input_stride, n_rows, gradient,
                                    layer.of_linear.data());
    if (i == 0) return;
    layer.linear.transpose(layer.transposed.data());
    Scalar* of_inputs = workspace_.take(n_rows * detail::padded<Scalar>(layer.linear.input_size()));
    layer.linear.input_gradient(kernels, layer.transposed.data(), gradient, n_rows, of_inputs);
    gradient = of_inputs;
  }
}

template <class Scalar>
void FeedForwardTraining<Scalar>::Layer::normalize(Scalar* sums, Scalar* normalized, Index n_rows) {
  const Index stride = linear.stride();
  const auto n = static_cast<Scalar>(n_rows);
  for (Index j = 0; j < linear.output_size(); ++j) {
    const auto at = static_cast<std::size_t>(j);
    Scalar sum = 0;
    for (Index i = 0; i < n_rows; ++i) sum += sums[i * stride + j];
    const Scalar center = sum / n;
    Scalar squares = 0;
    for (Index i = 0; i < n_rows; ++i) {
      const Scalar off = sums[i * stride + j] - center;
      squares += off * off;
    }
    inverse[at] = 1 / std::sqrt(squares / n + Scalar(epsilon));
    mean[at] += Scalar(momentum) * (center - mean[at]);
    variance[at] += Scalar(momentum) * (squares / std::max(n - 1, Scalar(1)) - variance[at]);
    for (Index i = 0; i < n_rows; ++i) {
      const Index k = i * stride + j;
      normalized[k] = (sums[k] - center) * inverse[at];
      sums[k] = gamma[at] * normalized[k] + beta[at];
    }
  }
}

template <class Scalar>
void FeedForwardTraining<Scalar>::Layer::normalize_backward(Scalar* gradient,
                                                            const Scalar* normalized,
                                                            Index n_rows) {
  const Index stride = linear.stride();
  const auto n = static_cast<Scalar>(n_rows);
  for (Index j = 0; j < linear.output_size(); ++j) {
    const auto at = static_cast<std::size_t>(j);
    Scalar sum = 0;
    Scalar product = 0;
    for (Index i = 0; i < n_rows; ++i) {
      sum += gradient[i * stride + j];
      product += gradient[i * stride + j] * normalized[i * stride + j];
    }
    of_beta[at] = sum;
    of_gamma[at] = product;
    const Scalar factor = gamma[at] * inverse[at] / n;
    for (Index i = 0; i < n_rows; ++i) {
      const Index k = i * stride + j;
      gradient[k] = factor * (n * gradient[k] - sum - normalized[k] * product);
    }
  }
}

}  // namespace freshet::nn
