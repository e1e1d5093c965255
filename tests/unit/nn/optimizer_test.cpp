#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/nn/adam.hpp"
#include "freshet/nn/autoencoder.hpp"
#include "support/autoencoder_runs.hpp"
#include "support/catch.hpp"

using namespace freshet::test;

TEST_CASE("Adam does what its formulas say") {
  constexpr double rate = 0.01;
  std::array<std::vector<double>, 2> parameters{{{0.5, -1.0}, {2.0}}};
  std::array<std::vector<double>, 2> expected = parameters;
  std::array<std::vector<double>, 2> mean{{{0, 0}, {0}}};
  std::array<std::vector<double>, 2> square = mean;
  freshet::nn::Adam<double> adam({.learning_rate = rate});
  for (int step = 1; step <= 5; ++step) {
    const std::array<std::vector<double>, 2> gradients{
        {{0.1 * step, -2.0}, {std::sin(static_cast<double>(step))}}};
    adam.step(parameters, gradients);
    for (std::size_t i = 0; i < 2; ++i) {
      for (std::size_t j = 0; j < expected[i].size(); ++j) {
        mean[i][j] = 0.9 * mean[i][j] + 0.1 * gradients[i][j];
        square[i][j] = 0.999 * square[i][j] + 0.001 * gradients[i][j] * gradients[i][j];
        const double corrected = mean[i][j] / (1.0 - std::pow(0.9, step));
        const double root = std::sqrt(square[i][j] / (1.0 - std::pow(0.999, step)));
        expected[i][j] -= rate * corrected / (root + 1e-8);
        CHECK(parameters[i][j] == Approx(expected[i][j]).epsilon(1e-13));
      }
    }
  }
}

TEST_CASE("clipping scales all gradients alike, and only large ones") {
  std::array<std::vector<double>, 2> gradients{{{3.0, 0.0}, {4.0}}};
  CHECK(freshet::nn::clip_norm(gradients, 10.0) == 5.0);
  CHECK(gradients[0][0] == 3.0);
  CHECK(freshet::nn::clip_norm(gradients, 1.0) == 5.0);
  CHECK(gradients[0][0] == Approx(0.6).epsilon(1e-6));
  CHECK(gradients[1][0] == Approx(0.8).epsilon(1e-6));
  gradients[0][0] = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(freshet::nn::clip_norm(gradients, 1.0)));
}

TEST_CASE("tensors that do not fit are refused by name, and nothing changes") {
  auto network =
      random_network<float>({.n_columns = 2, .hidden_size = 4, .num_layers = 2, .latent_size = 3});
  const auto before = network;
  const auto good = random_network<float>(network.sizes(), 9).tensors();
  const auto refused = [&](std::vector<freshet::nn::NamedTensor<float>> tensors,
                           const std::string& name) {
    try {
      network.set_tensors(tensors);
      FAIL("accepted");
    } catch (const freshet::ModelFileError& error) {
      CHECK(error.code() == freshet::ErrorCode::file_mismatch);
      CHECK(error.field() == name);
    }
    CHECK(network == before);
  };
  auto tensors = good;
  tensors.pop_back();
  refused(tensors, "output.bias");
  tensors = good;
  tensors[1].name = "encoder.weight_hh_l7";
  refused(tensors, "encoder.weight_hh_l7");
  tensors = good;
  tensors.push_back(good[0]);
  refused(tensors, "encoder.weight_ih_l0");
  tensors = good;
  tensors[3].values.resize(5, 1);
  refused(tensors, "encoder.bias_hh_l0");
  network.set_tensors(good);
  CHECK_FALSE(network == before);
  CHECK(network.tensors()[5].values == good[5].values);
}
