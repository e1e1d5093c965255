#pragma once

#include <algorithm>
#include <cassert>
#include <span>

#include <Eigen/Core>

#include "freshet/nn/detail/kernel_types.hpp"
#include "freshet/nn/detail/workspace.hpp"
#include "freshet/nn/tensor.hpp"

/// @file
/// A linear layer.

namespace freshet::nn {

/// y = W x + b, as `torch.nn.Linear`. Computed by the kernels it is given; a value type.
template <class Scalar>
class Dense {
 public:
  Dense() = default;

  /// Weights and biases of 0.
  Dense(Index input_size, Index output_size)
      : input_size_(input_size),
        output_size_(output_size),
        values_(static_cast<std::size_t>((input_size + 1) * stride())) {}

  /// Values that come in.
  [[nodiscard]] Index input_size() const noexcept { return input_size_; }
  /// Values that come out.
  [[nodiscard]] Index output_size() const noexcept { return output_size_; }
  /// The distance of two rows of outputs: `output_size()` rounded up to whole cache lines.
  [[nodiscard]] Index stride() const noexcept { return detail::padded<Scalar>(output_size_); }

  /// output_size × input_size.
  [[nodiscard]] Tensor<Scalar> weight() const { return weights().transpose(); }
  /// output_size × 1.
  [[nodiscard]] Tensor<Scalar> bias() const { return biases().transpose(); }
  /// Takes `output_size` × `input_size` weights, as PyTorch has them.
  void set_weight(const Tensor<Scalar>& weight) {
    require_shape("weight", weight, output_size_, input_size_);
    weights() = weight.transpose();
  }
  /// Takes `output_size` values.
  void set_bias(const Tensor<Scalar>& bias) {
    require_shape("bias", bias, output_size_, 1);
    biases() = bias.transpose();
  }

  /// All parameters as they lie in memory; what fills up rows is 0 and has a gradient of 0.
  [[nodiscard]] std::span<Scalar> values() noexcept { return values_; }
  /// All parameters, in the order in which gradients are.
  [[nodiscard]] std::span<const Scalar> values() const noexcept { return values_; }

  /// Rows of outputs, `stride()` apart, from rows of inputs, `input_stride` apart.
  void forward(const detail::Kernels<Scalar>& kernels, const Scalar* inputs, Index input_stride,
               Index n_rows, Scalar* outputs) const noexcept {
    kernels.multiply({.n_rows = n_rows,
                      .n_columns = register_columns(kernels),
                      .depth = input_size_,
                      .a = inputs,
                      .a_row_stride = input_stride,
                      .a_column_stride = 1,
                      .b = values_.data(),
                      .b_stride = stride(),
                      .start = values_.data() + input_size_ * stride(),
                      .start_stride = 0,
                      .c = outputs,
                      .c_stride = stride()});
  }

  /// The gradient of the parameters from the `output_gradient` of rows, in the order of `values()`.
  void parameter_gradient(const detail::Kernels<Scalar>& kernels, const Scalar* inputs,
                          Index input_stride, Index n_rows, const Scalar* output_gradient,
                          Scalar* gradient) const noexcept {
    static constexpr Scalar one = 1;
    detail::Product<Scalar> product{.n_rows = input_size_,
                                    .n_columns = register_columns(kernels),
                                    .depth = n_rows,
                                    .a = inputs,
                                    .a_row_stride = 1,
                                    .a_column_stride = input_stride,
                                    .b = output_gradient,
                                    .b_stride = stride(),
                                    .start = nullptr,
                                    .start_stride = 0,
                                    .c = gradient,
                                    .c_stride = stride()};
    kernels.multiply(product);
    product.n_rows = 1;
    product.a = &one;
    product.a_row_stride = product.a_column_stride = 0;
    product.c = gradient + input_size_ * stride();
    kernels.multiply(product);
  }

  /// Room that `transpose` fills: output_size × `padded(input_size)`.
  [[nodiscard]] Index transposed_size() const noexcept {
    return output_size_ * detail::padded<Scalar>(input_size_);
  }
  /// Writes the weights as `input_gradient` wants them.
  void transpose(Scalar* transposed) const noexcept {
    const Index to_stride = detail::padded<Scalar>(input_size_);
    std::fill_n(transposed, transposed_size(), Scalar{0});
    for (Index in = 0; in < input_size_; ++in) {
      for (Index out = 0; out < output_size_; ++out) {
        transposed[out * to_stride + in] = values_[static_cast<std::size_t>(in * stride() + out)];
      }
    }
  }
  /// The gradient of rows of inputs, `padded(input_size)` apart.
  void input_gradient(const detail::Kernels<Scalar>& kernels, const Scalar* transposed,
                      const Scalar* output_gradient, Index n_rows,
                      Scalar* gradient) const noexcept {
    const Index to_stride = detail::padded<Scalar>(input_size_);
    kernels.multiply({.n_rows = n_rows,
                      .n_columns = to_stride,
                      .depth = output_size_,
                      .a = output_gradient,
                      .a_row_stride = stride(),
                      .a_column_stride = 1,
                      .b = transposed,
                      .b_stride = to_stride,
                      .start = nullptr,
                      .start_stride = 0,
                      .c = gradient,
                      .c_stride = to_stride});
  }

  friend bool operator==(const Dense&, const Dense&) = default;

 private:
  using Rows = Eigen::Map<Tensor<Scalar>, 0, Eigen::OuterStride<>>;
  using ConstRows = Eigen::Map<const Tensor<Scalar>, 0, Eigen::OuterStride<>>;

  [[nodiscard]] Index register_columns(const detail::Kernels<Scalar>& kernels) const noexcept {
    const Index width = kernels.register_width;
    return (output_size_ + width - 1) / width * width;
  }
  [[nodiscard]] Rows rows(Index first, Index n) noexcept {
    return {values_.data() + first * stride(), n, output_size_, Eigen::OuterStride<>(stride())};
  }
  [[nodiscard]] ConstRows rows(Index first, Index n) const noexcept {
    return {values_.data() + first * stride(), n, output_size_, Eigen::OuterStride<>(stride())};
  }
  [[nodiscard]] Rows weights() noexcept { return rows(0, input_size_); }
  [[nodiscard]] ConstRows weights() const noexcept { return rows(0, input_size_); }
  [[nodiscard]] Rows biases() noexcept { return rows(input_size_, 1); }
  [[nodiscard]] ConstRows biases() const noexcept { return rows(input_size_, 1); }

  Index input_size_ = 0;
  Index output_size_ = 0;
  detail::AlignedVector<Scalar> values_;  // input_size rows of weights, then the biases
};

}  // namespace freshet::nn
