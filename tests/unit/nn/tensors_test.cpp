#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/nn/autoencoder.hpp"
#include "freshet/nn/dense.hpp"
#include "freshet/nn/lstm.hpp"
#include "support/autoencoder_runs.hpp"
#include "support/catch.hpp"

using namespace freshet::test;

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
  tensors = good;
  tensors[0].values.transposeInPlace();
  refused(tensors, "encoder.weight_ih_l0");
  // Of every part, and where all others fit.
  for (std::size_t i = 0; i < good.size(); ++i) {
    tensors = good;
    tensors[i].values.conservativeResize(tensors[i].values.rows() + 1, Eigen::NoChange);
    refused(tensors, good[i].name);
    tensors = good;
    tensors[i].is_vector = !tensors[i].is_vector;
    refused(tensors, good[i].name);
    tensors = good;
    tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(i));
    refused(tensors, good[i].name);
    tensors.push_back(good[i]);
    tensors.push_back(good[i]);
    refused(tensors, good[i].name);
  }
  refused({}, good.front().name);
}

TEST_CASE("tensors come back as they were set, in whatever order") {
  const AutoencoderSizes sizes{.n_columns = 2, .hidden_size = 4, .num_layers = 2, .latent_size = 3};
  auto network = random_network<double>(sizes);
  const auto other = random_network<double>(sizes, 9);
  auto tensors = other.tensors();
  std::ranges::reverse(tensors);
  network.set_tensors(tensors);
  CHECK(network == other);
  std::ranges::reverse(tensors);
  const auto back = network.tensors();
  REQUIRE(back.size() == tensors.size());
  for (std::size_t i = 0; i < back.size(); ++i) {
    CHECK(back[i].name == tensors[i].name);
    CHECK(back[i].is_vector == tensors[i].is_vector);
    CHECK(back[i].values == tensors[i].values);
  }
}

TEST_CASE("layers refuse tensors of another shape by name") {
  const auto field = [](const auto& set) {
    try {
      set();
    } catch (const freshet::ModelFileError& error) {
      CHECK(error.code() == freshet::ErrorCode::file_mismatch);
      return error.field();
    }
    return std::string("nothing was refused");
  };
  freshet::nn::Dense<double> dense(3, 2);
  dense.set_weight(freshet::nn::Tensor<double>::Constant(2, 3, 5.0));
  dense.set_bias(freshet::nn::Tensor<double>::Constant(2, 1, 6.0));
  const auto before = dense;
  CHECK(field([&] { dense.set_weight(freshet::nn::Tensor<double>::Zero(3, 2)); }) == "weight");
  CHECK(field([&] { dense.set_bias(freshet::nn::Tensor<double>::Zero(1, 2)); }) == "bias");
  CHECK(dense == before);

  freshet::nn::Lstm<double> lstm(2, 3);
  for (std::size_t i = 0; i < lstm.tensors().size(); ++i) {
    auto tensors = lstm.tensors();
    tensors[i].values.conservativeResize(tensors[i].values.rows() - 1, Eigen::NoChange);
    CHECK(field([&] { lstm.set_tensors(tensors); }) == tensors[i].name);
  }
}
