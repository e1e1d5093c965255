#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "freshet/core/random.hpp"
#include "freshet/nn/autoencoder.hpp"
#include "support/autoencoder_runs.hpp"
#include "support/catch.hpp"
#include "support/deviation.hpp"

using namespace freshet::test;

namespace {

/// Differences of the fourth order of the loss by every parameter; 0 for what fills up rows.
template <class Loss>
Autoencoder<double>::Parameters differences(Autoencoder<double>& network, const Loss& loss,
                                            std::size_t& n_parameters) {
  constexpr double reach = 1e-3;
  auto gradient = network.zeros();
  const auto blocks = network.blocks();
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    for (std::size_t i = 0; i < blocks[block].size(); ++i) {
      double& parameter = blocks[block][i];
      const double before = parameter;
      if (before == 0.0) continue;  // no drawn weight is exactly 0
      ++n_parameters;
      const auto central = [&](double step) {
        parameter = before + step;
        const double above = loss();
        parameter = before - step;
        const double below = loss();
        parameter = before;
        return (above - below) / (2.0 * step);
      };
      gradient[block][i] = (4.0 * central(reach) - central(2.0 * reach)) / 3.0;
    }
  }
  return gradient;
}

/// Whether they agree to 1e-7 of the largest, or to 1e-12, which the differences do not resolve.
template <class Found, class Expected>
bool agree(const Found& found, const Expected& expected) {
  double largest = 0.0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  return deviation(found, expected) * largest <= 1e-7 * largest + 1e-12;
}

struct Shape {
  Index hidden_size;
  Index n_steps;
  Index n_streams;
};

}  // namespace

TEST_CASE("gradients are those of central differences for every parameter") {
  const Index num_layers = GENERATE(1, 2, 3);
  const Index latent_size = GENERATE(0, 3);
  // With and without units that fill up a panel; one stream has a kernel of its own.
  const Shape shape =
      GENERATE(Shape{5, 4, 3}, Shape{8, 3, 2}, Shape{8, 4, 1}, Shape{9, 3, 1}, Shape{1, 1, 1});
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  CAPTURE(num_layers, latent_size, shape.hidden_size, shape.n_streams, to_string(instructions));
  auto network = random_network<double>({.n_columns = 2,
                                         .hidden_size = shape.hidden_size,
                                         .num_layers = num_layers,
                                         .latent_size = latent_size});
  const auto windows = random_windows<double>(shape.n_steps, shape.n_streams, 2);
  auto gradient = network.zeros();
  loss_and_gradient(network, windows, shape.n_steps, shape.n_streams, gradient, instructions);

  freshet::nn::detail::Workspace<double> workspace;
  std::vector<double> errors(static_cast<std::size_t>(shape.n_streams));
  std::size_t n_parameters = 0;
  const auto expected = differences(
      network,
      [&] {
        const double* outputs = network.reconstruct(windows.data(), shape.n_steps, shape.n_streams,
                                                    workspace, instructions);
        network.window_errors(windows.data(), outputs, shape.n_steps, shape.n_streams,
                              errors.data());
        double sum = 0.0;
        for (const double error : errors) sum += error;
        return sum / static_cast<double>(shape.n_streams);
      },
      n_parameters);
  CHECK(n_parameters == freshet::nn::n_parameters(network.sizes()));

  const auto found = named(network, gradient);
  const auto right = named(network, expected);
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(found[i].name);
    CHECK(agree(found[i].values.reshaped(), right[i].values.reshaped()));
  }
  // What no parameter is at has no gradient.
  for (std::size_t block = 0; block < gradient.size(); ++block) {
    CHECK(agree(gradient[block], expected[block]));
  }
}

TEST_CASE("gradients of any size add up over windows, and agree in float and double") {
  freshet::RandomGenerator random(11);
  const auto from = [&random](Index low, Index high) {
    return low + static_cast<Index>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  for (std::uint64_t round = 0; round < 24; ++round) {
    const AutoencoderSizes sizes{.n_columns = from(1, 9),
                                 .hidden_size = from(1, 40),
                                 .num_layers = from(1, 3),
                                 .latent_size = from(0, 1) * from(1, 12)};
    const Index n_steps = round % 6 == 0 ? 1 : from(1, 20);
    const Index n_streams = round % 4 == 0 ? 1 : from(1, 20);
    CAPTURE(round, sizes.n_columns, sizes.hidden_size, sizes.num_layers, sizes.latent_size, n_steps,
            n_streams);
    const auto singles = random_network<float>(sizes, round);
    Autoencoder<double> doubles(sizes);
    auto tensors = doubles.tensors();
    const auto drawn = singles.tensors();
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      tensors[i].values = drawn[i].values.cast<double>();
    }
    doubles.set_tensors(tensors);
    const auto float_windows = random_windows<float>(n_steps, n_streams, sizes.n_columns, round);
    const std::vector<double> windows(float_windows.begin(), float_windows.end());

    auto expected = doubles.zeros();
    auto one = doubles.zeros();
    for (Index stream = 0; stream < n_streams; ++stream) {
      loss_and_gradient(doubles, one_of(windows, n_steps, n_streams, sizes.n_columns, stream),
                        n_steps, 1, one, InstructionSet::baseline);
      for (std::size_t i = 0; i < one.size(); ++i) {
        for (std::size_t j = 0; j < one[i].size(); ++j) {
          expected[i][j] += one[i][j] / static_cast<double>(n_streams);
        }
      }
    }
    const auto right = named(doubles, expected);
    for (const InstructionSet instructions : instruction_sets()) {
      CAPTURE(to_string(instructions));
      auto gradient = doubles.zeros();
      loss_and_gradient(doubles, windows, n_steps, n_streams, gradient, instructions);
      auto float_gradient = singles.zeros();
      loss_and_gradient(singles, float_windows, n_steps, n_streams, float_gradient, instructions);
      const auto found = named(doubles, gradient);
      const auto float_found = named(singles, float_gradient);
      for (std::size_t i = 0; i < right.size(); ++i) {
        CAPTURE(right[i].name);
        CHECK(deviation(found[i].values.reshaped(), right[i].values.reshaped()) < 1e-12);
        CHECK(deviation(float_found[i].values.reshaped(), right[i].values.reshaped()) < 1e-4);
      }
    }
  }
}

TEST_CASE("a gradient overwrites what was there before") {
  const Index n_steps = GENERATE(1, 5);
  const Index n_streams = GENERATE(1, 4);
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  CAPTURE(n_steps, n_streams, to_string(instructions));
  const auto network =
      random_network<float>({.n_columns = 2, .hidden_size = 7, .num_layers = 2, .latent_size = 3});
  const auto windows = random_windows<float>(n_steps, n_streams, 2);
  auto clean = network.zeros();
  loss_and_gradient(network, windows, n_steps, n_streams, clean, instructions);
  auto used = network.zeros();
  for (auto& block : used) std::ranges::fill(block, std::numeric_limits<float>::quiet_NaN());
  loss_and_gradient(network, windows, n_steps, n_streams, used, instructions);
  const auto found = named(network, used);
  const auto right = named(network, clean);
  for (std::size_t i = 0; i < right.size(); ++i) {
    CAPTURE(right[i].name);
    CHECK(found[i].values == right[i].values);
  }
}
