#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <Eigen/Core>

/// @file
/// From gradients to parameters.

namespace freshet::nn {

/// Adam: Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, with PyTorch's
/// defaults and order of operations. Keeps two moments per parameter.
template <class Scalar>
class Adam {
 public:
  /// The parameters of the method, with PyTorch's defaults.
  struct Options {
    /// The size of a step, above 0.
    double learning_rate = 1e-3;
    /// How much of the mean gradient is kept at each step.
    double beta1 = 0.9;
    /// How much of the mean squared gradient is kept at each step.
    double beta2 = 0.999;
    /// What keeps a division by zero away.
    double epsilon = 1e-8;
  };

  /// Begins with no steps taken.
  explicit Adam(const Options& options) : options_(options) {}

  /// Changes the parameters by one step. All calls have blocks of the same sizes.
  /// @param blocks     of parameters
  /// @param gradients  a range of as many blocks of as many values
  template <class Blocks, class Gradients>
  void step(Blocks&& blocks, const Gradients& gradients) {
    ++n_steps_;
    const double steps = static_cast<double>(n_steps_);
    const auto step_size =
        static_cast<Scalar>(options_.learning_rate / (1.0 - std::pow(options_.beta1, steps)));
    const auto root = static_cast<Scalar>(std::sqrt(1.0 - std::pow(options_.beta2, steps)));
    const auto epsilon = static_cast<Scalar>(options_.epsilon);
    const auto beta1 = static_cast<Scalar>(options_.beta1);
    const auto beta2 = static_cast<Scalar>(options_.beta2);
    const auto rest1 = static_cast<Scalar>(1.0 - options_.beta1);
    const auto rest2 = static_cast<Scalar>(1.0 - options_.beta2);
    moments_.resize(std::size(blocks));
    for (std::size_t i = 0; i < moments_.size(); ++i) {
      const auto n = static_cast<Eigen::Index>(std::size(blocks[i]));
      auto& [mean, square] = moments_[i];
      if (mean.size() != n) {
        mean = Values::Zero(n);
        square = Values::Zero(n);
      }
      Eigen::Map<Values> parameters(std::data(blocks[i]), n);
      const Eigen::Map<const Values> gradient(std::data(gradients[i]), n);
      mean = beta1 * mean + rest1 * gradient;
      square = beta2 * square + rest2 * gradient.square();
      parameters -= step_size * mean / (square.sqrt() / root + epsilon);
    }
  }

 private:
  using Values = Eigen::Array<Scalar, Eigen::Dynamic, 1>;
  struct Moments {
    Values mean;
    Values square;
  };

  Options options_;
  std::uint64_t n_steps_ = 0;
  std::vector<Moments> moments_;
};

/// Scales the gradients so that their common norm is at most `largest_norm`, as PyTorch's
/// `clip_grad_norm_`.
/// @return the norm before: NaN or infinite where a gradient is
template <class Blocks>
double clip_norm(Blocks& gradients, double largest_norm) {
  double squares = 0.0;
  for (const auto& block : gradients) {
    for (const auto value : block)
      squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const double norm = std::sqrt(squares);
  const double factor = largest_norm / (norm + 1e-6);
  if (factor < 1.0) {
    for (auto& block : gradients) {
      for (auto& value : block)
        value = static_cast<std::remove_reference_t<decltype(value)>>(static_cast<double>(value) *
                                                                      factor);
    }
  }
  return norm;
}

}  // namespace freshet::nn
