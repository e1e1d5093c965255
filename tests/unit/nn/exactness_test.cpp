#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "freshet/nn/autoencoder.hpp"
#include "support/autoencoder_runs.hpp"
#include "support/catch.hpp"

using namespace freshet::test;

namespace {

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

template <class Scalar>
void check_alone_and_together() {
  const Index n_streams = GENERATE(2, 5, 6, 13, 24);
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
  for (Index stream = 0; stream < n_streams; ++stream) {
    const auto alone = reconstructed(
        network, one_of(windows, n_steps, n_streams, n_columns, stream), n_steps, 1, instructions);
    CHECK(alone == one_of(together, n_steps, n_streams, n_columns, stream));
  }
}

}  // namespace

TEST_CASE("a window is the same to the bit alone and among others, in float") {
  check_alone_and_together<float>();
}

TEST_CASE("a window is the same to the bit alone and among others, in double") {
  check_alone_and_together<double>();
}

TEST_CASE("sizes known at compile time give the same bits") {
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  const auto network = random_network<float>({.n_columns = 1, .hidden_size = 16});
  Autoencoder<float, 1, 16> fixed({.n_columns = 1, .hidden_size = 16});
  fixed.set_tensors(network.tensors());
  const auto windows = random_windows<float>(20, 1, 1);
  CHECK(reconstructed(fixed, windows, 20, 1, instructions) ==
        reconstructed(network, windows, 20, 1, instructions));
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
