#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

/// @file
/// What a layer makes of its sums.

namespace freshet::nn {

/// A function of each sum.
enum class Activation : std::uint8_t {
  relu,        ///< max(x, 0)
  leaky_relu,  ///< x, but x / 100 below 0
  elu,         ///< x, but exp(x) − 1 below 0
  tanh,        ///< The hyperbolic tangent.
  sigmoid,     ///< 1 / (1 + exp(−x))
  identity,    ///< x
};

/// The name used in configurations, as PyTorch's layers and PyOD have it.
[[nodiscard]] constexpr std::string_view to_string(Activation activation) noexcept {
  switch (activation) {
    case Activation::relu:
      return "relu";
    case Activation::leaky_relu:
      return "leaky_relu";
    case Activation::elu:
      return "elu";
    case Activation::tanh:
      return "tanh";
    case Activation::sigmoid:
      return "sigmoid";
    case Activation::identity:
      break;
  }
  return "identity";
}

namespace detail {

template <class Scalar>
inline constexpr Scalar leak = Scalar(0.01);

template <class Scalar, class Function>
void replace(std::span<Scalar> values, const Function& function) noexcept {
  for (Scalar& value : values) value = function(value);
}

}  // namespace detail

/// Replaces sums by what the layer passes on.
template <class Scalar>
void activate(Activation activation, std::span<Scalar> values) noexcept {
  switch (activation) {
    case Activation::relu:
      return detail::replace(values, [](Scalar x) { return x > 0 ? x : Scalar(0); });
    case Activation::leaky_relu:
      return detail::replace(values, [](Scalar x) { return x > 0 ? x : detail::leak<Scalar> * x; });
    case Activation::elu:
      return detail::replace(values, [](Scalar x) { return x > 0 ? x : std::expm1(x); });
    case Activation::tanh:
      return detail::replace(values, [](Scalar x) { return std::tanh(x); });
    case Activation::sigmoid:
      return detail::replace(values, [](Scalar x) { return 1 / (1 + std::exp(-x)); });
    case Activation::identity:
      break;
  }
}

/// The derivative where the function's value is `y`.
template <class Scalar>
[[nodiscard]] Scalar derivative(Activation activation, Scalar y) noexcept {
  switch (activation) {
    case Activation::relu:
      return Scalar(y > 0 ? 1 : 0);
    case Activation::leaky_relu:
      return y > 0 ? Scalar(1) : detail::leak<Scalar>;
    case Activation::elu:
      return y > 0 ? Scalar(1) : y + 1;
    case Activation::tanh:
      return 1 - y * y;
    case Activation::sigmoid:
      return y * (1 - y);
    case Activation::identity:
      break;
  }
  return 1;
}

}  // namespace freshet::nn
