#pragma once

#include <array>

#include "freshet/backends/combination.hpp"
#include "freshet/backends/dtype.hpp"
#include "freshet/backends/kernel.hpp"
#include "freshet/backends/knn_method.hpp"
#include "freshet/backends/variant.hpp"
#include "freshet/features/encoding.hpp"
#include "freshet/nn/activation.hpp"
#include "freshet/scaling/scaler.hpp"
#include "freshet/stream/config.hpp"
#include "freshet/threshold/normalizer.hpp"

/// @file
/// The choices that a configuration has; `to_string` gives each the name by which it is chosen.

namespace freshet {

/// All values of an enumeration: an overload for each, picked by any value of its type.
constexpr auto enum_values(Normalization /*tag*/) noexcept {
  return std::array{Normalization::calibrated, Normalization::standardization,
                    Normalization::zscore, Normalization::raw};
}
/// All values of Scaling.
constexpr auto enum_values(Scaling /*tag*/) noexcept {
  return std::array{Scaling::none, Scaling::standard, Scaling::min_max, Scaling::robust};
}
/// All values of Retrain.
constexpr auto enum_values(Retrain /*tag*/) noexcept {
  return std::array{Retrain::inline_, Retrain::background, Retrain::manual, Retrain::hosted};
}
/// All values of OutOfOrder.
constexpr auto enum_values(OutOfOrder /*tag*/) noexcept {
  return std::array{OutOfOrder::error, OutOfOrder::drop};
}
/// All values of Encoding.
constexpr auto enum_values(Encoding /*tag*/) noexcept {
  return std::array{Encoding::numeric, Encoding::hash,   Encoding::label,
                    Encoding::onehot,  Encoding::binary, Encoding::frequency};
}
/// All values of Dtype.
constexpr auto enum_values(Dtype /*tag*/) noexcept {
  return std::array{Dtype::float32, Dtype::float64};
}
/// All values of KnnMethod.
constexpr auto enum_values(KnnMethod /*tag*/) noexcept {
  return std::array{KnnMethod::largest, KnnMethod::mean, KnnMethod::median};
}
/// All values of Kernel.
constexpr auto enum_values(Kernel /*tag*/) noexcept {
  return std::array{Kernel::rbf, Kernel::linear, Kernel::poly, Kernel::sigmoid};
}
/// All values of Combination.
constexpr auto enum_values(Combination /*tag*/) noexcept {
  return std::array{Combination::average, Combination::maximization};
}
/// All values of Variant.
constexpr auto enum_values(Variant /*tag*/) noexcept {
  return std::array{Variant::pyod, Variant::paper};
}
/// All values of nn::Activation.
constexpr auto enum_values(nn::Activation /*tag*/) noexcept {
  using enum nn::Activation;
  return std::array{relu, leaky_relu, elu, tanh, sigmoid, identity};
}

}  // namespace freshet
