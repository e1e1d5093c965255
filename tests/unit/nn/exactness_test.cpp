#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "freshet/nn/adam.hpp"
#include "freshet/nn/autoencoder.hpp"
#include "support/autoencoder_runs.hpp"
#include "support/catch.hpp"

using namespace freshet::test;

namespace {

template <class Scalar>
void check_alone_and_together() {
  const Index n_streams = GENERATE(2, 3, 4, 5, 6, 13, 24);
  const Index hidden_size = GENERATE(3, 16, 40);
  const Index num_layers = GENERATE(1, 2);
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  CAPTURE(n_streams, hidden_size, num_layers, to_string(instructions));
  constexpr Index n_steps = 9;
  constexpr Index n_columns = 3;
  const auto network = random_network<Scalar>({.n_columns = n_columns,
                                               .hidden_size = hidden_size,
                                               .num_layers = num_layers,
                                               .latent_size = num_layers == 2 ? 4 : 0});
  const auto windows = random_windows<Scalar>(n_steps, n_streams, n_columns);
  const auto together = reconstructed(network, windows, n_steps, n_streams, instructions);
  const auto errors = window_errors(network, windows, n_steps, n_streams, instructions);
  for (Index stream = 0; stream < n_streams; ++stream) {
    const auto window = one_of(windows, n_steps, n_streams, n_columns, stream);
    CHECK(reconstructed(network, window, n_steps, 1, instructions) ==
          one_of(together, n_steps, n_streams, n_columns, stream));
    CHECK(window_errors(network, window, n_steps, 1, instructions).front() ==
          errors[static_cast<std::size_t>(stream)]);
  }
}

template <class Scalar>
void check_fixed_network(Index n_streams, InstructionSet instructions) {
  const auto network = random_network<Scalar>({.n_columns = 1, .hidden_size = 16});
  Autoencoder<Scalar, 1, 16> fixed({.n_columns = 1, .hidden_size = 16});
  fixed.set_tensors(network.tensors());
  const auto windows = random_windows<Scalar>(20, n_streams, 1);
  CHECK(reconstructed(fixed, windows, 20, n_streams, instructions) ==
        reconstructed(network, windows, 20, n_streams, instructions));
}

/// The hidden states of the top layer, those that fill up rows included.
template <class Network, class Scalar>
std::vector<Scalar> hidden_states(const Network& lstm, const std::vector<Scalar>& inputs,
                                  Index n_steps, Index n_streams, InstructionSet instructions) {
  freshet::nn::detail::Workspace<Scalar> workspace;
  workspace.restart(lstm.forward_size(n_steps, n_streams));
  const Scalar* hidden =
      lstm.forward(Network::kernels(instructions), inputs.data(), lstm.input_size(),
                   Network::Input::every_step, n_steps, n_streams, workspace);
  return {hidden, hidden + n_steps * n_streams * lstm.stride()};
}

template <class Scalar>
void check_fixed_lstm(Index n_streams, InstructionSet instructions) {
  freshet::nn::Lstm<Scalar> lstm(1, 16, 2);
  freshet::nn::Lstm<Scalar, 1, 16> fixed(2);
  REQUIRE(fixed.values().size() == lstm.values().size());
  const auto n_values = static_cast<Index>(lstm.values().size());
  const auto values = random_windows<Scalar>(n_values, 1, 1, 5);
  for (std::size_t i = 0; i < values.size(); ++i) {
    fixed.values()[i] = lstm.values()[i] = values[i] / Scalar{4};
  }
  const auto inputs = random_windows<Scalar>(20, n_streams, 1);
  CHECK(hidden_states(fixed, inputs, 20, n_streams, instructions) ==
        hidden_states(lstm, inputs, 20, n_streams, instructions));
}

/// The hidden states with and without what is kept for the way back.
template <class Scalar>
void check_keeping(Index n_streams, InstructionSet instructions) {
  using Lstm = freshet::nn::Lstm<Scalar>;
  constexpr Index n_steps = 9;
  for (const Index hidden_size : {3, 16, 21}) {
    CAPTURE(hidden_size);
    Lstm lstm(2, hidden_size, 2);
    freshet::RandomGenerator random(4);
    auto tensors = lstm.tensors();
    for (auto& tensor : tensors) {
      for (Scalar& value : tensor.values.reshaped()) {
        value = static_cast<Scalar>(random.uniform() - 0.5);
      }
    }
    lstm.set_tensors(tensors);
    const auto inputs = random_windows<Scalar>(n_steps, n_streams, 2);
    freshet::nn::detail::Workspace<Scalar> workspace;
    workspace.restart(lstm.training_size(n_steps, n_streams));
    typename Lstm::Tape tape;
    const Scalar* kept =
        lstm.forward_keeping(Lstm::kernels(instructions), inputs.data(), 2, Lstm::Input::every_step,
                             n_steps, n_streams, tape, workspace);
    CHECK(std::vector<Scalar>(kept, kept + n_steps * n_streams * lstm.stride()) ==
          hidden_states(lstm, inputs, n_steps, n_streams, instructions));
  }
}

template <class Scalar>
void check_filling(Index n_streams, InstructionSet instructions) {
  const AutoencoderSizes sizes{
      .n_columns = 3, .hidden_size = 19, .num_layers = 2, .latent_size = 5};
  auto network = random_network<Scalar>(sizes);
  // Where no parameter is: nothing else is 0.
  const auto is_zero = [](Scalar value) { return value == Scalar{0}; };
  std::vector<std::vector<bool>> fills;
  for (const auto block : network.blocks()) {
    fills.emplace_back();
    for (const Scalar value : block) fills.back().push_back(is_zero(value));
  }
  const auto windows = random_windows<Scalar>(6, n_streams, 3);
  freshet::nn::Adam<Scalar> adam({.learning_rate = 0.01});
  auto gradient = network.zeros();
  for (int step = 0; step < 4; ++step) {
    loss_and_gradient(network, windows, 6, n_streams, gradient, instructions);
    freshet::nn::clip_norm(gradient, 0.1);
    adam.step(network.blocks(), gradient);
  }
  std::size_t n_others = 0;
  const auto blocks = network.blocks();
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    for (std::size_t i = 0; i < blocks[block].size(); ++i) {
      if (fills[block][i]) {
        REQUIRE(is_zero(blocks[block][i]));
        REQUIRE(is_zero(gradient[block][i]));
      } else {
        ++n_others;
      }
    }
  }
  CHECK(n_others == freshet::nn::n_parameters(sizes));
}

}  // namespace

TEST_CASE("a window is the same to the bit alone and among others, in float") {
  check_alone_and_together<float>();
}

TEST_CASE("a window is the same to the bit alone and among others, in double") {
  check_alone_and_together<double>();
}

TEST_CASE("sizes known at compile time give the same bits") {
  const Index n_streams = GENERATE(1, 7);
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  CAPTURE(n_streams, to_string(instructions));
  check_fixed_network<float>(n_streams, instructions);
  check_fixed_network<double>(n_streams, instructions);
  check_fixed_lstm<float>(n_streams, instructions);
  check_fixed_lstm<double>(n_streams, instructions);
}

TEST_CASE("training sees the reconstructions that scoring sees") {
  const Index n_streams = GENERATE(1, 2, 7);
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  CAPTURE(n_streams, to_string(instructions));
  check_keeping<float>(n_streams, instructions);
  check_keeping<double>(n_streams, instructions);
}

TEST_CASE("what fills up panels stays zero while training") {
  const Index n_streams = GENERATE(1, 7);
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  CAPTURE(n_streams, to_string(instructions));
  check_filling<float>(n_streams, instructions);
  check_filling<double>(n_streams, instructions);
}

TEST_CASE("a size that the type excludes is refused") {
  CHECK_THROWS_AS((freshet::nn::Lstm<float, 1, 16>(1, 32)), freshet::ConfigurationError);
  CHECK_THROWS_AS((freshet::nn::Lstm<float, 1, 16>(2, 16)), freshet::ConfigurationError);
  CHECK_THROWS_AS((freshet::nn::Lstm<float>(1, 0)), freshet::ConfigurationError);
  CHECK_THROWS_AS((freshet::nn::Lstm<float>(1, 4, 0)), freshet::ConfigurationError);
  CHECK(freshet::nn::Lstm<float, 1, 16>().hidden_size() == 16);
}

TEST_CASE("huge values saturate, NaN stays NaN") {
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  CAPTURE(to_string(instructions));
  const auto check = [&](auto scalar) {
    using Scalar = decltype(scalar);
    const auto network = random_network<Scalar>({.n_columns = 1, .hidden_size = 8});
    const Scalar huge = std::numeric_limits<Scalar>::max() / Scalar{1e6};
    for (const Scalar value : {huge, -huge}) {
      for (const Scalar output :
           reconstructed(network, std::vector<Scalar>(6, value), 6, 1, instructions)) {
        CHECK(std::isfinite(output));
      }
    }
    std::vector<Scalar> windows(6, Scalar{1});
    windows[2] = std::numeric_limits<Scalar>::quiet_NaN();
    for (const Scalar output : reconstructed(network, windows, 6, 1, instructions)) {
      CHECK(std::isnan(output));
    }
  };
  check(float{});
  check(double{});
}
