#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <memory>
#include <numeric>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "freshet/core/cancellation.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/random.hpp"
#include "freshet/core/training_rows.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/nn/adam.hpp"
#include "freshet/nn/feed_forward.hpp"
#include "freshet/nn/feed_forward_training.hpp"
#include "freshet/scaling/scaler.hpp"

/// @file
/// The autoencoder: how badly does a network that has learnt the usual rows reconstruct this one?
/// Not part of `freshet.hpp`, since it uses Eigen.

namespace freshet {

struct Autoencoder;

/// A trained autoencoder: immutable, copies share the weights.
///
/// `score` and `explain` need room that they keep per thread: a thread's first call allocates.
class AutoencoderModel {
 public:
  AutoencoderModel() = default;

  /// The width of the rows that it scores.
  [[nodiscard]] std::size_t n_features() const noexcept { return scaler_.n_features(); }

  /// The raw score of a row of `n_features()` values: the Euclidean distance of the row, scaled,
  /// and its reconstruction. O(weights).
  [[nodiscard]] double score(RowView row) const noexcept {
    double squares = 0.0;
    each_error(row, [&squares](std::size_t /*column*/, double error) { squares += error * error; });
    return std::sqrt(squares);
  }

  /// Each column's squared error as a share of all, times the score.
  void explain(RowView row, std::span<double> contributions) const noexcept {
    double squares = 0.0;
    each_error(row, [&](std::size_t column, double error) {
      contributions[column] = error * error;
      squares += error * error;
    });
    if (squares == 0.0) return;
    for (double& contribution : contributions) contribution /= std::sqrt(squares);
  }

  /// The scores of the training rows, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  friend bool operator==(const AutoencoderModel& left, const AutoencoderModel& right) {
    return left.scaler_ == right.scaler_ && left.training_scores_ == right.training_scores_ &&
           (left.network_ == right.network_ ||
            (left.network_ && right.network_ && *left.network_ == *right.network_));
  }

  /// Reads or writes the model; see io/archive.hpp. Weights are written in PyTorch's order.
  template <class Archive>
  void serialize(Archive& archive);

  /// The largest sizes that are read: beyond them a damaged file would ask for all memory.
  static constexpr std::size_t max_layers = 32;
  static constexpr std::size_t max_width = 65'536;  ///< The same, of a layer.

 private:
  friend struct Autoencoder;
  using Network = nn::FeedForward<float>;

  // Farther off, values would not be finite in the network, or not their squares.
  static constexpr double farthest_input = 1e15;
  static constexpr double farthest = 1e150;

  template <class Use>
  void each_error(RowView row, const Use& use) const noexcept {
    assert(row.size() == n_features());
    thread_local nn::detail::AlignedVector<float> inputs;
    thread_local nn::detail::Workspace<float> workspace;
    if (inputs.size() < row.size()) inputs.resize(row.size());
    const auto scaled = [&](std::size_t column) {
      return (row[column] - scaler_.center()[column]) / scaler_.scale()[column];
    };
    for (std::size_t j = 0; j < row.size(); ++j) {
      inputs[j] = static_cast<float>(std::clamp(scaled(j), -farthest_input, farthest_input));
    }
    const float* outputs = network_->forward(inputs.data(), 1, workspace);
    for (std::size_t j = 0; j < row.size(); ++j) {
      const double error = scaled(j) - static_cast<double>(outputs[j]);
      // What overflows in single precision is far from everything.
      use(j, std::isfinite(error) ? std::clamp(error, -farthest, farthest) : farthest);
    }
  }

  std::shared_ptr<const Network> network_;
  AffineTransform scaler_;
  std::vector<double> training_scores_;
};

/// The autoencoder of Aggarwal, "Outlier Analysis", 2015, chapter 3: a network of layers learns to
/// reconstruct the training rows through layers that are too narrow to keep everything. Layers,
/// initial weights, normalization, dropout and optimizer are those of PyOD's; the random numbers
/// are not, so that scores agree in kind, not in digits.
struct Autoencoder {
  /// What training yields.
  using Model = AutoencoderModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "autoencoder";

  /// Units of the encoder's layers; the decoder has the same in reverse. 1 … 15 layers of 1 … 4096.
  std::vector<std::size_t> hidden_neuron_list = {64, 32};
  /// After every layer but the last.
  nn::Activation hidden_activation_name = nn::Activation::relu;
  /// Passes over the training rows: 1 … 100000.
  std::size_t epoch_num = 10;
  /// Rows per step of the optimizer, at least; all, if there are fewer: 1 … 2^20.
  std::size_t batch_size = 32;
  /// The learning rate of Adam: above 0.
  double lr = 1e-3;
  /// What every step adds to the gradient for each parameter, times the parameter: at least 0.
  double weight_decay = 1e-5;
  /// Whether the sums of a layer are normalized over each batch.
  bool batch_norm = true;
  /// The share of outputs that are set to 0 in training: 0 <= rate < 1.
  double dropout_rate = 0.2;
  /// Whether columns are scaled to mean 0 and standard deviation 1 before.
  bool preprocessing = true;

  /// Throws ConfigurationError when a parameter is out of range.
  void validate() const {
    const auto within = [](std::size_t value, std::size_t high) {
      return value >= 1 && value <= high;
    };
    require_parameter(
        within(hidden_neuron_list.size(), 15) &&
            std::ranges::all_of(hidden_neuron_list, [&](std::size_t n) { return within(n, 4096); }),
        "hidden_neuron_list", "1 to 15 integers from 1 to 4096");
    require_parameter(hidden_activation_name <= nn::Activation::identity, "hidden_activation_name",
                      "an activation");
    require_parameter(within(epoch_num, 100'000), "epoch_num", "an integer from 1 to 100000");
    require_parameter(within(batch_size, std::size_t{1} << 20U), "batch_size",
                      "an integer from 1 to 1048576");
    require_parameter(lr > 0.0 && std::isfinite(lr), "lr", "above 0 and finite");
    require_parameter(weight_decay >= 0.0 && std::isfinite(weight_decay), "weight_decay",
                      "at least 0 and finite");
    require_parameter(dropout_rate >= 0.0 && dropout_rate < 1.0, "dropout_rate",
                      "at least 0 and less than 1");
  }

  /// Trains on `rows` (n_rows × n_features, at least one row, finite); `seed` decides weights,
  /// batches and dropout. O(epoch_num · rows · weights).
  /// @throws FitError when there are no rows, the training diverges, or `stop` says so, which is
  /// asked before every step
  [[nodiscard]] AutoencoderModel fit(MatrixView rows, Seed seed = 0,
                                     const std::stop_token& stop = {}) const;

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("hidden_neuron_list", hidden_neuron_list);
    visitor("hidden_activation_name", hidden_activation_name);
    visitor("epoch_num", epoch_num);
    visitor("batch_size", batch_size);
    visitor("lr", lr);
    visitor("weight_decay", weight_decay);
    visitor("batch_norm", batch_norm);
    visitor("dropout_rate", dropout_rate);
    visitor("preprocessing", preprocessing);
  }

  friend bool operator==(const Autoencoder&, const Autoencoder&) = default;

 private:
  [[nodiscard]] std::vector<nn::Index> widths(std::size_t n_columns) const {
    std::vector<nn::Index> all{static_cast<nn::Index>(n_columns)};
    for (const std::size_t n : hidden_neuron_list) all.push_back(static_cast<nn::Index>(n));
    const std::vector<nn::Index> encoder = all;
    all.insert(all.end(), encoder.rbegin() + 1, encoder.rend());
    return all;
  }
};

namespace backendsdetail {

[[nodiscard]] inline FitError diverged(std::size_t epoch) {
  return {ErrorCode::fit_diverged,
          "the training diverged in epoch " + std::to_string(epoch) +
              ": its loss is not finite; a smaller lr may help",
          "lr", "a loss that stays finite"};
}

}  // namespace backendsdetail

inline AutoencoderModel Autoencoder::fit(MatrixView rows, Seed seed,
                                         const std::stop_token& stop) const {
  validate();
  require_training_rows(rows);
  AutoencoderModel model;
  model.scaler_ = freshet::fit(preprocessing ? Scaling::standard : Scaling::none, rows);
  RandomGenerator random(seed);
  nn::FeedForwardTraining<float> training(widths(rows.n_columns()),
                                          {.activation = hidden_activation_name,
                                           .batch_norm = batch_norm,
                                           .dropout_rate = dropout_rate},
                                          random);
  nn::Adam<float> adam({.learning_rate = lr});
  const auto blocks = training.blocks();
  const auto gradients = training.gradients();
  // No batch is smaller than it should be: the statistics of two rows say nothing.
  const std::size_t n_batches = std::max<std::size_t>(rows.n_rows() / batch_size, 1);
  std::vector<std::size_t> order(rows.n_rows());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<double> scaled(rows.n_columns());
  nn::detail::AlignedVector<float> batch;
  for (std::size_t epoch = 1; epoch <= epoch_num; ++epoch) {
    random.shuffle(std::span(order));
    for (std::size_t b = 0; b < n_batches; ++b) {
      require_not_cancelled(stop, "epoch", epoch);
      const std::size_t begin = b * order.size() / n_batches;
      const std::size_t end = (b + 1) * order.size() / n_batches;
      batch.clear();
      for (std::size_t i = begin; i < end; ++i) {
        model.scaler_.transform(rows.row(order[i]), scaled);
        for (const double value : scaled) {
          batch.push_back(static_cast<float>(std::clamp(value, -AutoencoderModel::farthest_input,
                                                        AutoencoderModel::farthest_input)));
        }
      }
      const double squares = training.gradient(batch.data(), static_cast<nn::Index>(end - begin),
                                               1.0F / static_cast<float>(batch.size()), random);
      if (!std::isfinite(squares)) throw backendsdetail::diverged(epoch);
      for (std::size_t k = 0; k < blocks.size(); ++k) {
        for (std::size_t i = 0; i < blocks[k].size(); ++i) {
          gradients[k][i] += static_cast<float>(weight_decay) * blocks[k][i];
        }
      }
      adam.step(blocks, gradients);
    }
  }
  model.network_ = std::make_shared<const AutoencoderModel::Network>(training.network());
  model.training_scores_.reserve(rows.n_rows());
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    model.training_scores_.push_back(model.score(rows.row(i)));
    // The last step of the optimizer was not followed by a loss.
    if (model.training_scores_.back() >= AutoencoderModel::farthest) {
      throw backendsdetail::diverged(epoch_num);
    }
  }
  return model;
}

template <class Archive>
void AutoencoderModel::serialize(Archive& archive) {
  std::vector<std::size_t> widths;
  nn::Activation activation{};
  std::vector<float> weights;
  if constexpr (!Archive::is_reading) {
    if (network_) {
      activation = network_->activation();
      widths.push_back(n_features());
      for (const nn::Dense<float>& layer : network_->layers()) {
        widths.push_back(static_cast<std::size_t>(layer.output_size()));
        for (const auto& tensor : {layer.weight(), layer.bias()}) {
          weights.insert(weights.end(), tensor.data(), tensor.data() + tensor.size());
        }
      }
    }
  }
  archive(scaler_, widths, activation, weights, training_scores_);
  if constexpr (Archive::is_reading) {
    std::size_t n_weights = 0;
    bool is_sound = widths.size() >= 2 && widths.size() <= max_layers + 1 &&
                    activation <= nn::Activation::identity && widths.front() == n_features() &&
                    widths.back() == n_features();
    for (std::size_t i = 0; is_sound && i < widths.size(); ++i) {
      is_sound = widths[i] >= 1 && widths[i] <= max_width;
      if (i > 0) n_weights += (widths[i - 1] + 1) * widths[i];
    }
    archive.require(is_sound, "widths");
    archive.require(weights.size() == n_weights &&
                        std::ranges::all_of(weights, [](float w) { return std::isfinite(w); }),
                    "weights");
    std::vector<nn::Dense<float>> layers;
    const float* next = weights.data();
    for (std::size_t i = 1; i < widths.size(); ++i) {
      const auto n_inputs = static_cast<nn::Index>(widths[i - 1]);
      const auto n_outputs = static_cast<nn::Index>(widths[i]);
      nn::Dense<float>& layer = layers.emplace_back(n_inputs, n_outputs);
      layer.set_weight(Eigen::Map<const nn::Tensor<float>>(next, n_outputs, n_inputs));
      next += n_outputs * n_inputs;
      layer.set_bias(Eigen::Map<const nn::Tensor<float>>(next, n_outputs, 1));
      next += n_outputs;
    }
    network_ = std::make_shared<const Network>(std::move(layers), activation);
  }
}

}  // namespace freshet
