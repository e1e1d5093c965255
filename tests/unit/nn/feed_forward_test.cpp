#include "freshet/nn/feed_forward.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <Eigen/Core>

#include "freshet/core/random.hpp"
#include "freshet/nn/feed_forward_training.hpp"
#include "support/catch.hpp"

using freshet::RandomGenerator;
using freshet::nn::Activation;
using freshet::nn::Dense;
using freshet::nn::FeedForward;
using freshet::nn::FeedForwardOptions;
using freshet::nn::FeedForwardTraining;
using freshet::nn::Index;
using freshet::nn::Tensor;

namespace {

const std::vector<Index> widths{3, 7, 2, 7, 3};

Tensor<double> random_batch(Index n_rows, RandomGenerator& random) {
  Tensor<double> rows(n_rows, 3);
  for (double& value : rows.reshaped()) value = random.normal();
  return rows;
}

double at(Activation activation, double x) {
  switch (activation) {
    case Activation::relu:
      return std::max(x, 0.0);
    case Activation::leaky_relu:
      return x > 0.0 ? x : 0.01 * x;
    case Activation::elu:
      return x > 0.0 ? x : std::exp(x) - 1.0;
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return 1.0 / (1.0 + std::exp(-x));
    case Activation::identity:
      break;
  }
  return x;
}

// Plain Eigen, layer by layer.
Tensor<double> outputs_of(const FeedForward<double>& network, Tensor<double> rows) {
  const auto layers = network.layers();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Tensor<double> sums = rows * layers[i].weight().transpose();
    sums.rowwise() += layers[i].bias().col(0).transpose();
    if (i + 1 < layers.size()) {
      sums = sums.unaryExpr([&](double x) { return at(network.activation(), x); });
    }
    rows = sums;
  }
  return rows;
}

double largest_difference(const Tensor<double>& left, const double* right, Index stride) {
  double largest = 0.0;
  for (Index i = 0; i < left.rows(); ++i) {
    for (Index j = 0; j < left.cols(); ++j) {
      largest = std::max(largest, std::abs(left(i, j) - right[i * stride + j]));
    }
  }
  return largest;
}

}  // namespace

TEST_CASE("layers compute what matrices do, with every activation") {
  const auto activation = GENERATE(Activation::relu, Activation::leaky_relu, Activation::elu,
                                   Activation::tanh, Activation::sigmoid, Activation::identity);
  RandomGenerator random(1);
  const Tensor<double> rows = random_batch(5, random);
  const FeedForwardTraining<double> training(widths, {activation, false, 0.0}, random);
  const FeedForward<double> network = training.network();
  FeedForward<double>::Workspace workspace;
  const double* found = network.forward(rows.data(), 5, workspace);
  const Index stride = network.layers().back().stride();
  CHECK(largest_difference(outputs_of(network, rows), found, stride) < 1e-12);
  // Alone, a row gives the same to the bit.
  const std::vector<double> third(found + 2 * stride, found + 2 * stride + 3);
  const double* alone = network.forward(rows.data() + 6, 1, workspace);
  CHECK(std::equal(third.begin(), third.end(), alone));
}

TEST_CASE("gradients are the slopes of the loss") {
  const auto activation = GENERATE(Activation::elu, Activation::tanh, Activation::sigmoid,
                                   Activation::leaky_relu, Activation::relu);
  const bool batch_norm = GENERATE(true, false);
  const double dropout_rate = GENERATE(0.0, 0.3);
  CAPTURE(to_string(activation), batch_norm, dropout_rate);
  RandomGenerator random(2);
  const Tensor<double> rows = random_batch(9, random);
  FeedForwardTraining<double> training(widths, {activation, batch_norm, dropout_rate}, random);
  const auto loss = [&] {
    RandomGenerator same(3);  // the same outputs are dropped every time
    return training.gradient(rows.data(), 9, 1.0 / 27.0, same) / 27.0;
  };
  loss();
  std::vector<std::vector<double>> found;
  for (const auto block : training.gradients()) found.emplace_back(block.begin(), block.end());
  const auto blocks = training.blocks();
  REQUIRE(found.size() == blocks.size());
  double largest = 0.0;
  for (const auto& block : found) {
    for (const double value : block) largest = std::max(largest, std::abs(value));
  }
  REQUIRE(largest > 1e-3);
  std::size_t n_parameters = 0;
  for (std::size_t k = 0; k < blocks.size(); ++k) {
    for (std::size_t i = 0; i < blocks[k].size(); ++i) {
      double& parameter = blocks[k][i];
      const double before = parameter;
      // What fills up rows is 0; biases of normalized layers change nothing and have no slope.
      if (before == 0.0 && found[k][i] == 0.0) continue;
      constexpr double reach = 1e-5;
      parameter = before + reach;
      const double above = loss();
      parameter = before - reach;
      const double below = loss();
      parameter = before;
      CHECK(std::abs((above - below) / (2.0 * reach) - found[k][i]) < 1e-7 + 1e-5 * largest);
      ++n_parameters;
    }
  }
  // Weights and biases, and two for each normalized unit.
  CHECK(n_parameters == 4 * 7 + 8 * 2 + 3 * 7 + 8 * 3 + (batch_norm ? 2 * 16 : 0));
}

TEST_CASE("what has been learnt has the normalization in its weights") {
  RandomGenerator random(4);
  const Tensor<double> rows = random_batch(50, random);
  FeedForwardTraining<double> training(std::vector<Index>{3, 4, 3}, {Activation::tanh, true, 0.0},
                                       random);
  const auto blocks = training.blocks();  // weights, gamma, beta, weights
  REQUIRE(blocks.size() == 4);
  for (double& value : blocks[1]) value = 0.5 + random.uniform();
  for (double& value : blocks[2]) value = random.normal();
  const FeedForward<double> before = training.network();
  training.gradient(rows.data(), 50, 1.0, random);
  const FeedForward<double> after = training.network();

  // Before the first batch the mean is taken for 0 and the variance for 1: from the weights of both
  // networks, those without normalization, and with them the batch's own mean and variance.
  const Tensor<double> scale = Eigen::Map<const Tensor<double>>(blocks[1].data(), 4, 1);
  const Tensor<double> shift = Eigen::Map<const Tensor<double>>(blocks[2].data(), 4, 1);
  const double root = std::sqrt(1.0 + 1e-5);
  for (Index unit = 0; unit < 4; ++unit) {
    const Tensor<double> weight = before.layers()[0].weight().row(unit) * root / scale(unit, 0);
    const double bias =
        (before.layers()[0].bias()(unit, 0) - shift(unit, 0)) * root / scale(unit, 0);
    const Eigen::ArrayXd sums = (rows * weight.transpose()).array() + bias;
    const double mean = 0.1 * sums.mean();
    const double variance = 0.9 + 0.1 * (sums - sums.mean()).square().sum() / 49.0;
    const double factor = scale(unit, 0) / std::sqrt(variance + 1e-5);
    CHECK(after.layers()[0].weight().row(unit).isApprox(weight * factor, 1e-10));
    CHECK(after.layers()[0].bias()(unit, 0) ==
          Approx((bias - mean) * factor + shift(unit, 0)).epsilon(1e-10));
  }
  CHECK(after.layers()[1] == before.layers()[1]);
}

TEST_CASE("dropout keeps the mean of what passes") {
  RandomGenerator random(5);
  // One layer of identities: what passes is the mask itself.
  FeedForwardTraining<double> training(std::vector<Index>{1, 1, 1},
                                       {Activation::identity, false, 0.25}, random);
  const auto blocks = training.blocks();
  for (const auto block : blocks) std::fill(block.begin(), block.end(), 0.0);
  blocks[0][0] = 1.0;
  blocks[1][0] = 1.0;
  const double one = 1.0;
  int n_dropped = 0;
  constexpr int n = 4000;
  for (int i = 0; i < n; ++i) {
    const double square = training.gradient(&one, 1, 1.0, random);
    // 0 leaves an error of 1, 4/3 one of 1/3.
    CHECK((square == Approx(1.0) || square == Approx(1.0 / 9.0)));
    n_dropped += square > 0.5 ? 1 : 0;
  }
  CHECK(n_dropped == Approx(0.25 * n).margin(4.0 * std::sqrt(n * 0.25 * 0.75)));
}
