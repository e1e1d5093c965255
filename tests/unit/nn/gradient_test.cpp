#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "freshet/nn/autoencoder.hpp"
#include "support/autoencoder_runs.hpp"
#include "support/catch.hpp"

using namespace freshet::test;

TEST_CASE("gradients are those of central differences for every parameter") {
  const Index num_layers = GENERATE(1, 2, 3);
  const Index latent_size = GENERATE(0, 3);
  const Index hidden_size = GENERATE(5, 8);  // with and without units that fill up a panel
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  CAPTURE(num_layers, latent_size, hidden_size, to_string(instructions));
  constexpr Index n_steps = 4;
  constexpr Index n_streams = 3;
  auto network = random_network<double>({.n_columns = 2,
                                         .hidden_size = hidden_size,
                                         .num_layers = num_layers,
                                         .latent_size = latent_size});
  const auto windows = random_windows<double>(n_steps, n_streams, 2);
  auto gradient = network.zeros();
  loss_and_gradient(network, windows, n_steps, n_streams, gradient, instructions);

  const auto loss = [&] {
    const auto outputs = reconstructed(network, windows, n_steps, n_streams, instructions);
    double sum = 0.0;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      sum += (outputs[i] - windows[i]) * (outputs[i] - windows[i]);
    }
    return sum / static_cast<double>(outputs.size());
  };
  const auto blocks = network.blocks();
  std::size_t n_parameters = 0;
  double worst = 0.0;
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    for (std::size_t i = 0; i < blocks[block].size(); ++i) {
      double& parameter = blocks[block][i];
      const double before = parameter;
      if (before == 0.0) {  // fills up a row; no drawn weight is exactly 0
        CHECK(gradient[block][i] == 0.0);
        continue;
      }
      constexpr double reach = 1e-5;
      parameter = before + reach;
      const double above = loss();
      parameter = before - reach;
      const double below = loss();
      parameter = before;
      worst = std::max(worst, std::abs((above - below) / (2.0 * reach) - gradient[block][i]));
      ++n_parameters;
    }
  }
  CHECK(n_parameters == freshet::nn::n_parameters(network.sizes()));
  CHECK(worst < 1e-9);
}
