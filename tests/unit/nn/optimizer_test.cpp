#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "freshet/core/random.hpp"
#include "freshet/nn/adam.hpp"
#include "support/catch.hpp"
#include "support/deviation.hpp"

using freshet::test::deviation;

namespace {

/// Kingma and Ba's formulas for a single parameter.
struct PlainAdam {
  double rate, beta1, beta2, epsilon;
  double mean = 0.0;
  double square = 0.0;
  int step = 0;

  double change(double gradient) {
    ++step;
    mean = beta1 * mean + (1.0 - beta1) * gradient;
    square = beta2 * square + (1.0 - beta2) * gradient * gradient;
    const double corrected = mean / (1.0 - std::pow(beta1, step));
    const double root = std::sqrt(square / (1.0 - std::pow(beta2, step)));
    return rate * corrected / (root + epsilon);
  }
};

template <class Scalar>
using Blocks = std::array<std::vector<Scalar>, 4>;

/// Blocks as a network has them: one is empty, and sizes are no multiple of a register's.
template <class Scalar>
Blocks<Scalar> normals(freshet::RandomGenerator& random) {
  Blocks<Scalar> blocks{std::vector<Scalar>(37), std::vector<Scalar>(), std::vector<Scalar>(3),
                        std::vector<Scalar>(1)};
  for (auto& block : blocks) {
    for (Scalar& value : block) value = static_cast<Scalar>(random.normal());
  }
  return blocks;
}

template <class Scalar>
void check_adam(const typename freshet::nn::Adam<Scalar>::Options& options, double tolerance) {
  freshet::RandomGenerator random(1);
  Blocks<Scalar> parameters = normals<Scalar>(random);
  std::array<std::vector<double>, 4> expected;
  std::array<std::vector<PlainAdam>, 4> plain;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    expected[i].assign(parameters[i].begin(), parameters[i].end());
    plain[i].resize(parameters[i].size(), PlainAdam{options.learning_rate, options.beta1,
                                                    options.beta2, options.epsilon});
  }
  freshet::nn::Adam<Scalar> adam(options);
  for (int step = 0; step < 20; ++step) {
    CAPTURE(step);
    Blocks<Scalar> gradients = normals<Scalar>(random);
    gradients[0][1] *= Scalar{1e-6F};  // where epsilon counts
    gradients[0][2] = 0;
    gradients[2][0] *= Scalar{1e6F};
    adam.step(parameters, gradients);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      for (std::size_t j = 0; j < expected[i].size(); ++j) {
        expected[i][j] -= plain[i][j].change(static_cast<double>(gradients[i][j]));
      }
      CHECK(deviation(parameters[i], expected[i]) < tolerance);
    }
  }
}

}  // namespace

TEST_CASE("Adam does what its formulas say") {
  check_adam<double>({}, 1e-14);
  check_adam<double>({.learning_rate = 0.05, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-4}, 1e-14);
  check_adam<float>({.learning_rate = 0.05}, 2e-6);
}

TEST_CASE("clipping scales all gradients alike, and only large ones") {
  std::array<std::vector<double>, 2> gradients{{{3.0, 0.0}, {4.0}}};
  CHECK(freshet::nn::clip_norm(gradients, 10.0) == 5.0);
  CHECK(gradients[0] == std::vector<double>{3.0, 0.0});
  CHECK(gradients[1] == std::vector<double>{4.0});
  CHECK(freshet::nn::clip_norm(gradients, 1.0) == 5.0);
  const double factor = 1.0 / (5.0 + 1e-6);  // as PyTorch has it
  CHECK(gradients[0][0] == 3.0 * factor);
  CHECK(gradients[0][1] == 0.0);
  CHECK(gradients[1][0] == 4.0 * factor);
}

TEST_CASE("clipping is done in float too, and of no gradient at all") {
  std::array<std::vector<float>, 3> gradients{{{6e30F}, {}, {8e30F}}};  // squares exceed a float
  CHECK(freshet::nn::clip_norm(gradients, 1.0) == Approx(1e31).epsilon(1e-6));
  CHECK(static_cast<double>(gradients[0][0]) == Approx(0.6).epsilon(1e-6));
  CHECK(static_cast<double>(gradients[2][0]) == Approx(0.8).epsilon(1e-6));
  std::array<std::vector<float>, 1> zeros{{{0.0F, 0.0F}}};
  CHECK(freshet::nn::clip_norm(zeros, 1.0) == 0.0);
  CHECK(zeros[0] == std::vector<float>{0.0F, 0.0F});
}

TEST_CASE("clipping does not hide gradients that are not finite") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::array<std::vector<double>, 2> gradients{{{nan, 7.0}, {2.0}}};
  CHECK(std::isnan(freshet::nn::clip_norm(gradients, 1.0)));
  CHECK(std::isnan(gradients[0][0]));
  gradients[0][0] = -infinity;
  CHECK(freshet::nn::clip_norm(gradients, 1.0) == infinity);
  CHECK_FALSE(std::isfinite(gradients[0][0]));
}
