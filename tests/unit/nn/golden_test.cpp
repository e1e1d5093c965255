#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <type_traits>
#include <vector>

#include "freshet/io/safetensors.hpp"
#include "freshet/nn/adam.hpp"
#include "freshet/nn/autoencoder.hpp"
#include "support/autoencoder_runs.hpp"
#include "support/catch.hpp"
#include "support/deviation.hpp"

// What PyTorch computed: tests/data/lstm/README.md says how.

using namespace freshet::test;
using freshet::nn::NamedTensor;

namespace {

freshet::SafeTensors read_case(const std::string& name, const std::string& type) {
  const std::filesystem::path path =
      std::filesystem::path(FRESHET_TEST_DATA) / "lstm" / (name + "." + type + ".safetensors");
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
  return freshet::read_safetensors(std::as_bytes(std::span(text)), path.string());
}

template <class Scalar>
std::vector<NamedTensor<Scalar>> tensors_of(const freshet::SafeTensors& stored,
                                            const std::string& prefix) {
  std::vector<NamedTensor<Scalar>> tensors;
  for (const freshet::Tensor& tensor : stored.tensors) {
    if (!tensor.name.starts_with(prefix)) continue;
    const std::vector<Scalar> values = tensor.values<Scalar>();
    const auto rows = static_cast<Index>(tensor.shape[0]);
    const auto columns = static_cast<Index>(tensor.shape.size() == 2 ? tensor.shape[1] : 1);
    tensors.push_back({tensor.name.substr(prefix.size()),
                       Eigen::Map<const freshet::nn::Tensor<Scalar>>(values.data(), rows, columns),
                       tensor.shape.size() == 1});
  }
  return tensors;
}

/// Batch × time × features as PyTorch has it, in our order.
template <class Scalar>
std::vector<Scalar> time_first(const freshet::Tensor& tensor) {
  const std::vector<Scalar> values = tensor.values<Scalar>();
  const std::size_t batch = tensor.shape[0];
  const std::size_t time = tensor.shape[1];
  const std::size_t features = tensor.shape[2];
  std::vector<Scalar> ordered;
  for (std::size_t t = 0; t < time; ++t) {
    for (std::size_t b = 0; b < batch; ++b) {
      for (std::size_t f = 0; f < features; ++f) {
        ordered.push_back(values[(b * time + t) * features + f]);
      }
    }
  }
  return ordered;
}

template <class Scalar>
struct Case {
  freshet::SafeTensors stored;
  std::vector<Scalar> windows;
  Index n_steps;
  Index n_streams;
  Autoencoder<Scalar> network;
};

template <class Scalar>
Case<Scalar> load(const std::string& name) {
  freshet::SafeTensors stored = read_case(name, std::is_same_v<Scalar, float> ? "f32" : "f64");
  const freshet::Tensor& x = *stored.find("x");
  const std::size_t hidden = stored.find("weight/encoder.weight_hh_l0")->shape[1];
  const freshet::Tensor* latent = stored.find("weight/to_latent.bias");
  Autoencoder<Scalar> network(
      {.n_columns = static_cast<Index>(x.shape[2]),
       .hidden_size = static_cast<Index>(hidden),
       .num_layers = stored.find("weight/encoder.weight_hh_l1") == nullptr ? 1 : 2,
       .latent_size = latent == nullptr ? 0 : static_cast<Index>(latent->shape[0])});
  network.set_tensors(tensors_of<Scalar>(stored, "weight/"));
  const auto steps = static_cast<Index>(x.shape[1]);
  const auto streams = static_cast<Index>(x.shape[0]);
  std::vector<Scalar> windows = time_first<Scalar>(x);
  return {std::move(stored), std::move(windows), steps, streams, std::move(network)};
}

const std::vector<std::string> names{"uni_h16", "uni_h64", "multi_h32_l2", "multi_h32_l2_z8"};

template <class Scalar>
void check_forward(double tolerance) {
  const std::string name = GENERATE(from_range(names));
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  CAPTURE(name, to_string(instructions));
  const Case<Scalar> golden = load<Scalar>(name);
  const auto outputs =
      reconstructed(golden.network, golden.windows, golden.n_steps, golden.n_streams, instructions);
  CHECK(deviation(outputs, time_first<Scalar>(*golden.stored.find("y"))) < tolerance);

  const auto errors =
      window_errors(golden.network, golden.windows, golden.n_steps, golden.n_streams, instructions);
  const auto expected = golden.stored.find("window_mse")->template values<Scalar>();
  REQUIRE(errors.size() == expected.size());
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const auto one = static_cast<double>(expected[i]);
    CHECK(std::abs(errors[i] - one) < tolerance * one);
  }

  Autoencoder<Scalar> network = golden.network;
  auto gradient = network.zeros();
  const double loss = loss_and_gradient(network, golden.windows, golden.n_steps, golden.n_streams,
                                        gradient, instructions);
  const double expected_loss = golden.stored.find("loss")->template values<double>().front();
  CHECK(std::abs(loss - expected_loss) < tolerance * expected_loss);
}

/// Holds every tensor against the one of its name that is stored with `prefix`.
void check_tensors(const std::vector<NamedTensor<double>>& found,
                   const freshet::SafeTensors& stored, const std::string& prefix,
                   double tolerance) {
  const auto expected = tensors_of<double>(stored, prefix);
  CHECK(found.size() == expected.size());
  for (const auto& tensor : found) {
    CAPTURE(tensor.name);
    const auto one = std::ranges::find(expected, tensor.name, &NamedTensor<double>::name);
    REQUIRE(one != expected.end());
    CHECK(deviation(tensor.values.reshaped(), one->values.reshaped()) < tolerance);
  }
}

}  // namespace

TEST_CASE("reconstructions, errors and losses are PyTorch's in float") {
  check_forward<float>(1e-6);
}

TEST_CASE("reconstructions, errors and losses are PyTorch's in double") {
  check_forward<double>(1e-12);
}

TEST_CASE("gradients are PyTorch's") {
  const std::string name = GENERATE(from_range(names));
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  CAPTURE(name, to_string(instructions));
  const Case<double> golden = load<double>(name);
  auto gradient = golden.network.zeros();
  loss_and_gradient(golden.network, golden.windows, golden.n_steps, golden.n_streams, gradient,
                    instructions);
  check_tensors(named(golden.network, gradient), golden.stored, "grad/", 1e-10);
}

TEST_CASE("three steps of Adam are PyTorch's") {
  const std::string name = GENERATE(from_range(names));
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  CAPTURE(name, to_string(instructions));
  Case<double> golden = load<double>(name);
  freshet::nn::Adam<double> adam({.learning_rate = 1e-3});
  const auto losses = golden.stored.find("loss")->values<double>();
  REQUIRE(losses.size() == 3);
  auto gradient = golden.network.zeros();
  for (const double expected_loss : losses) {
    const double loss = loss_and_gradient(golden.network, golden.windows, golden.n_steps,
                                          golden.n_streams, gradient, instructions);
    CHECK(std::abs(loss - expected_loss) < 1e-9 * expected_loss);
    adam.step(golden.network.blocks(), gradient);
  }
  check_tensors(golden.network.tensors(), golden.stored, "adam3/", 1e-9);
}
