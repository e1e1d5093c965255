#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "freshet/core/random.hpp"
#include "freshet/nn/autoencoder.hpp"
#include "support/autoencoder_reference.hpp"
#include "support/autoencoder_runs.hpp"
#include "support/catch.hpp"
#include "support/deviation.hpp"

using namespace freshet::test;

namespace {

/// The largest difference between the network and its formulas, over the largest magnitude.
template <class Scalar>
double deviation_of(const AutoencoderSizes& sizes, Index n_steps, Index n_streams,
                    std::uint64_t seed, InstructionSet instructions) {
  const auto network = random_network<Scalar>(sizes, seed);
  const auto tensors = network.tensors();
  const AutoencoderReference reference(std::span<const freshet::nn::NamedTensor<Scalar>>{tensors});
  const auto windows = random_windows<Scalar>(n_steps, n_streams, sizes.n_columns, seed + 1);
  const auto outputs = reconstructed(network, windows, n_steps, n_streams, instructions);
  std::vector<double> right(outputs.size());
  for (Index stream = 0; stream < n_streams; ++stream) {
    const auto at = [&](Index step, Index column) {
      return static_cast<std::size_t>((step * n_streams + stream) * sizes.n_columns + column);
    };
    std::vector<Eigen::VectorXd> window(static_cast<std::size_t>(n_steps));
    for (Index step = 0; step < n_steps; ++step) {
      Eigen::VectorXd row(sizes.n_columns);
      for (Index column = 0; column < sizes.n_columns; ++column) {
        row(column) = static_cast<double>(windows[at(step, column)]);
      }
      window[static_cast<std::size_t>(step)] = row;
    }
    const auto expected = reference.reconstruct(window);
    for (Index step = 0; step < n_steps; ++step) {
      for (Index column = 0; column < sizes.n_columns; ++column) {
        right[at(step, column)] = expected[static_cast<std::size_t>(step)](column);
      }
    }
  }
  return deviation(outputs, right);
}

}  // namespace

TEST_CASE("networks of any size do what their formulas say") {
  freshet::RandomGenerator random(7);
  const auto from = [&random](Index low, Index high) {
    return low + static_cast<Index>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  for (std::uint64_t round = 0; round < 60; ++round) {
    const AutoencoderSizes sizes{.n_columns = from(1, 9),
                                 .hidden_size = from(1, 40),
                                 .num_layers = from(1, 3),
                                 .latent_size = from(0, 1) * from(1, 12)};
    const Index n_steps = from(1, 20);
    const Index n_streams = round % 4 == 0 ? 1 : from(1, 40);  // 1 has a kernel of its own
    CAPTURE(round, sizes.n_columns, sizes.hidden_size, sizes.num_layers, sizes.latent_size, n_steps,
            n_streams);
    for (const InstructionSet instructions : instruction_sets()) {
      CAPTURE(to_string(instructions));
      CHECK(deviation_of<double>(sizes, n_steps, n_streams, round, instructions) < 1e-13);
      CHECK(deviation_of<float>(sizes, n_steps, n_streams, round, instructions) < 3e-6);
    }
  }
}
