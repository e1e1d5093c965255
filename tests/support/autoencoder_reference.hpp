#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "freshet/nn/tensor.hpp"

/// @file
/// The LSTM autoencoder as its formulas say, in double, one number after the other.

namespace freshet::test {

/// Reads the parameters of PyTorch's state dict by name.
class AutoencoderReference {
 public:
  template <class Scalar>
  explicit AutoencoderReference(std::span<const nn::NamedTensor<Scalar>> tensors) {
    for (const auto& tensor : tensors) {
      tensors_.emplace_back(tensor.name, tensor.values.template cast<double>());
    }
  }

  /// The reconstruction of one window of rows.
  [[nodiscard]] std::vector<Eigen::VectorXd> reconstruct(
      const std::vector<Eigen::VectorXd>& window) const {
    Eigen::VectorXd code = lstm("encoder", window).back();
    if (has("to_latent.weight")) code = linear("to_latent", code);
    std::vector<Eigen::VectorXd> outputs;
    for (const Eigen::VectorXd& hidden :
         lstm("decoder", std::vector<Eigen::VectorXd>(window.size(), code))) {
      outputs.push_back(linear("output", hidden));
    }
    return outputs;
  }

 private:
  static double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

  [[nodiscard]] bool has(const std::string& name) const {
    for (const auto& [known, values] : tensors_) {
      if (known == name) return true;
    }
    return false;
  }
  [[nodiscard]] const Eigen::MatrixXd& get(const std::string& name) const {
    for (const auto& [known, values] : tensors_) {
      if (known == name) return values;
    }
    throw std::out_of_range(name);
  }

  [[nodiscard]] Eigen::VectorXd linear(const std::string& module, const Eigen::VectorXd& x) const {
    return get(module + ".weight") * x + get(module + ".bias");
  }

  [[nodiscard]] std::vector<Eigen::VectorXd> lstm(const std::string& module,
                                                  std::vector<Eigen::VectorXd> sequence) const {
    for (int layer = 0; has(module + ".weight_ih_l" + std::to_string(layer)); ++layer) {
      const std::string suffix = "_l" + std::to_string(layer);
      const Eigen::MatrixXd& of_inputs = get(module + ".weight_ih" + suffix);
      const Eigen::MatrixXd& of_past = get(module + ".weight_hh" + suffix);
      const Eigen::VectorXd bias =
          get(module + ".bias_ih" + suffix) + get(module + ".bias_hh" + suffix);
      const Eigen::Index n_units = of_past.cols();
      Eigen::VectorXd hidden = Eigen::VectorXd::Zero(n_units);
      Eigen::VectorXd cell = Eigen::VectorXd::Zero(n_units);
      for (Eigen::VectorXd& step : sequence) {
        const Eigen::VectorXd sums = of_inputs * step + of_past * hidden + bias;
        for (Eigen::Index unit = 0; unit < n_units; ++unit) {
          const double input = sigmoid(sums(unit));
          const double forget = sigmoid(sums(n_units + unit));
          const double candidate = std::tanh(sums(2 * n_units + unit));
          const double output = sigmoid(sums(3 * n_units + unit));
          cell(unit) = forget * cell(unit) + input * candidate;
          hidden(unit) = output * std::tanh(cell(unit));
        }
        step = hidden;
      }
    }
    return sequence;
  }

  std::vector<std::pair<std::string, Eigen::MatrixXd>> tensors_;
};

}  // namespace freshet::test
