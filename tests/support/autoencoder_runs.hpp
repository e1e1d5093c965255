#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "freshet/core/random.hpp"
#include "freshet/nn/autoencoder.hpp"
#include "freshet/nn/instruction_set.hpp"

/// @file
/// A network and what it makes of windows, as the tests of nn/ need them.

namespace freshet::test {

using freshet::nn::Autoencoder;
using freshet::nn::AutoencoderSizes;
using freshet::nn::Index;
using freshet::nn::InstructionSet;

/// Those that this processor has; at least the baseline.
inline std::vector<InstructionSet> instruction_sets() {
  std::vector<InstructionSet> all;
  for (const auto one : {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
    if (freshet::nn::is_supported(one)) all.push_back(one);
  }
  return all;
}

template <class Scalar>
Autoencoder<Scalar> random_network(const AutoencoderSizes& sizes, std::uint64_t seed = 1) {
  freshet::RandomGenerator random(seed);
  Autoencoder<Scalar> network(sizes);
  network.initialize(random);
  return network;
}

/// steps × streams × columns of normal numbers.
template <class Scalar>
std::vector<Scalar> random_windows(Index n_steps, Index n_streams, Index n_columns,
                                   std::uint64_t seed = 2) {
  freshet::RandomGenerator random(seed);
  std::vector<Scalar> values(static_cast<std::size_t>(n_steps * n_streams * n_columns));
  for (Scalar& value : values) value = static_cast<Scalar>(random.normal());
  return values;
}

/// The reconstruction without what fills up its rows: steps × streams × columns.
template <class Network, class Scalar>
std::vector<Scalar> reconstructed(const Network& network, const std::vector<Scalar>& windows,
                                  Index n_steps, Index n_streams, InstructionSet instructions) {
  freshet::nn::detail::Workspace<Scalar> workspace;
  const Scalar* outputs =
      network.reconstruct(windows.data(), n_steps, n_streams, workspace, instructions);
  std::vector<Scalar> values;
  for (Index row = 0; row < n_steps * n_streams; ++row) {
    const Scalar* begin = outputs + row * network.output_stride();
    values.insert(values.end(), begin, begin + network.sizes().n_columns);
  }
  return values;
}

/// The mean squared error of every window.
template <class Network, class Scalar>
std::vector<double> window_errors(const Network& network, const std::vector<Scalar>& windows,
                                  Index n_steps, Index n_streams, InstructionSet instructions) {
  freshet::nn::detail::Workspace<Scalar> workspace;
  std::vector<double> errors(static_cast<std::size_t>(n_streams));
  network.window_errors(
      windows.data(),
      network.reconstruct(windows.data(), n_steps, n_streams, workspace, instructions), n_steps,
      n_streams, errors.data());
  return errors;
}

/// The windows `stream` of many.
template <class Scalar>
std::vector<Scalar> one_of(const std::vector<Scalar>& windows, Index n_steps, Index n_streams,
                           Index n_columns, Index stream) {
  std::vector<Scalar> one;
  for (Index step = 0; step < n_steps; ++step) {
    const auto begin = windows.begin() + (step * n_streams + stream) * n_columns;
    one.insert(one.end(), begin, begin + n_columns);
  }
  return one;
}

/// The gradient of every parameter by its name.
template <class Scalar>
std::vector<freshet::nn::NamedTensor<Scalar>> named(
    Autoencoder<Scalar> network, const typename Autoencoder<Scalar>::Parameters& gradient) {
  const auto blocks = network.blocks();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    std::copy(gradient[i].begin(), gradient[i].end(), blocks[i].begin());
  }
  return network.tensors();
}

/// The loss, and its gradient by every parameter.
template <class Scalar>
double loss_and_gradient(const Autoencoder<Scalar>& network, const std::vector<Scalar>& windows,
                         Index n_steps, Index n_streams,
                         typename Autoencoder<Scalar>::Parameters& gradient,
                         InstructionSet instructions) {
  freshet::nn::detail::AlignedVector<Scalar> transposed(
      static_cast<std::size_t>(network.transposed_size()));
  network.transpose(transposed.data());
  freshet::nn::detail::Workspace<Scalar> workspace;
  const double n = static_cast<double>(windows.size());
  return network.gradient(windows.data(), n_steps, n_streams, static_cast<Scalar>(1.0 / n),
                          transposed.data(), gradient, workspace, instructions) /
         n;
}

}  // namespace freshet::test
