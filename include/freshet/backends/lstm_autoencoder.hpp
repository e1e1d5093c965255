#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "freshet/backends/detail/lstm_autoencoder_model.hpp"
#include "freshet/backends/dtype.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/nn/training.hpp"
#include "freshet/scaling/scaler.hpp"

/// @file
/// The LSTM autoencoder: how badly does a network that has learnt the usual windows reconstruct
/// this one? Not part of `freshet.hpp`, since it uses Eigen.

namespace freshet {

/// A trained LSTM autoencoder: immutable; see backendsdetail::LstmAutoencoderModel.
using backendsdetail::LstmAutoencoderModel;

/// The LSTM autoencoder of Malhotra, Ramakrishnan, Anand, Vig, Agarwal and Shroff, "LSTM-based
/// Encoder-Decoder for Multi-sensor Anomaly Detection", 2016, arXiv:1607.00148, with the last
/// hidden state, or a linear bottleneck after it, repeated as the decoder's input. The network is
/// nn::Autoencoder, interchangeable with PyTorch's layers.
///
/// It scores windows: `window` consecutive rows as one vector, the oldest first. A
/// StreamingDetector takes `window` for its shingle by itself. The score of a window is the mean
/// squared error of its reconstruction, of values scaled by `scaler`: 0 is perfect, 1 about as bad
/// as predicting the mean.
struct LstmAutoencoder {
  /// What training yields.
  using Model = LstmAutoencoderModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "lstm_autoencoder";

  /// Rows per window: 2 … 100000.
  std::size_t window = 48;
  /// Units of each layer: 1 … 4096.
  std::size_t hidden_size = 32;
  /// Layers of encoder and decoder each: 1 … 16.
  std::size_t num_layers = 1;
  /// Values of the bottleneck: 1 … 4096; none without.
  std::optional<std::size_t> latent_size = std::nullopt;
  /// Passes over the training windows, at most: 1 … 100000.
  std::size_t epochs = nn::TrainingOptions{}.epochs;
  /// Windows per step of the optimizer: 1 … 2^20.
  std::size_t batch_size = nn::TrainingOptions{}.batch_size;
  /// Of Adam: above 0.
  double learning_rate = nn::TrainingOptions{}.learning_rate;
  /// The share of windows, the last ones, on which the training is judged: 0 <= fraction < 1.
  double validation_fraction = nn::TrainingOptions{}.validation_fraction;
  /// Epochs without a smaller loss that end the training: at least 1.
  std::size_t patience = nn::TrainingOptions{}.patience;
  /// The largest norm of a step's gradient: above 0.
  double clip_norm = nn::TrainingOptions{}.clip_norm;
  /// Threads that train: at least 1. They do not change the result.
  std::size_t n_threads = nn::TrainingOptions{}.n_threads;
  /// The numbers that it computes with.
  Dtype dtype = Dtype::float32;
  /// How each column is scaled before it comes to the network.
  Scaling scaler = Scaling::standard;

  /// Throws ConfigurationError when a parameter is out of range.
  void validate() const {
    const auto within = [](std::size_t value, std::size_t low, std::size_t high,
                           std::string_view field) {
      require_parameter(value >= low && value <= high, field,
                        "an integer from " + std::to_string(low) + " to " + std::to_string(high));
    };
    const auto positive = [](double value, std::string_view field) {
      require_parameter(value > 0.0 && std::isfinite(value), field, "above 0 and finite");
    };
    using Limits = backendsdetail::LstmAutoencoderLimits;
    within(window, 2, Limits::window, "window");
    within(hidden_size, 1, Limits::hidden_size, "hidden_size");
    within(num_layers, 1, Limits::num_layers, "num_layers");
    if (latent_size) within(*latent_size, 1, Limits::hidden_size, "latent_size");
    within(epochs, 1, 100'000, "epochs");
    within(batch_size, 1, std::size_t{1} << 20U, "batch_size");
    positive(learning_rate, "learning_rate");
    require_parameter(validation_fraction >= 0.0 && validation_fraction < 1.0,
                      "validation_fraction", "at least 0 and less than 1");
    within(patience, 1, 100'000, "patience");
    positive(clip_norm, "clip_norm");
    within(n_threads, 1, 1024, "n_threads");
    require_parameter(dtype <= Dtype::float64, "dtype", "float32 or float64");
    require_parameter(scaler <= Scaling::robust, "scaler", "a kind of scaling");
  }

  /// Trains on `windows` (n_windows × (window · columns), finite): rows of a matrix, or of a series
  /// seen by MatrixView::shingled, which costs no copies. Weights begin where `seed` draws them.
  /// O(epochs · windows · window · num_layers · hidden_size²).
  /// @throws ConfigurationError as `validate`; FitError when the width is no multiple of `window`,
  /// there are no windows, or the training diverges.
  [[nodiscard]] LstmAutoencoderModel fit(MatrixView windows, Seed seed = 0) const {
    return fit(windows, seed, nullptr);
  }

  /// The same with the weights of `previous` to begin with, if it is not null, has been trained and
  /// has the same sizes, and with a hand on the running training.
  /// @throws FitError (fit_cancelled) when `control.stop` says so; what `control.on_progress`
  /// throws
  [[nodiscard]] LstmAutoencoderModel fit(MatrixView windows, Seed seed,
                                         const LstmAutoencoderModel* previous,
                                         const nn::TrainingControl& control = {}) const;

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("window", window);
    visitor("hidden_size", hidden_size);
    visitor("num_layers", num_layers);
    visitor("latent_size", latent_size);
    visitor("epochs", epochs);
    visitor("batch_size", batch_size);
    visitor("learning_rate", learning_rate);
    visitor("validation_fraction", validation_fraction);
    visitor("patience", patience);
    visitor("clip_norm", clip_norm);
    visitor("n_threads", n_threads);
    visitor("dtype", dtype);
    visitor("scaler", scaler);
  }

  friend bool operator==(const LstmAutoencoder&, const LstmAutoencoder&) = default;

 private:
  template <class Scalar>
  [[nodiscard]] LstmAutoencoderModel fit_as(MatrixView windows, Seed seed,
                                            const LstmAutoencoderModel* previous,
                                            const nn::TrainingControl& control) const;
};

inline LstmAutoencoderModel LstmAutoencoder::fit(MatrixView windows, Seed seed,
                                                 const LstmAutoencoderModel* previous,
                                                 const nn::TrainingControl& control) const {
  validate();
  if (windows.empty() || windows.n_columns() == 0 || windows.n_columns() % window != 0) {
    const std::string expected =
        "at least one window of " + std::to_string(window) + " rows with all their columns";
    throw FitError(ErrorCode::fit_failed,
                   "there are " + std::to_string(windows.n_rows()) + " windows of " +
                       std::to_string(windows.n_columns()) + " values: expected " + expected,
                   "window", expected);
  }
  return dtype == Dtype::float32 ? fit_as<float>(windows, seed, previous, control)
                                 : fit_as<double>(windows, seed, previous, control);
}

template <class Scalar>
LstmAutoencoderModel LstmAutoencoder::fit_as(MatrixView windows, Seed seed,
                                             const LstmAutoencoderModel* previous,
                                             const nn::TrainingControl& control) const {
  const std::size_t n_columns = windows.n_columns() / window;
  const AffineTransform fitted_scaler =
      freshet::fit(scaler, backendsdetail::rows_of_windows(windows, window));
  const nn::AutoencoderSizes sizes{.n_columns = static_cast<nn::Index>(n_columns),
                                   .hidden_size = static_cast<nn::Index>(hidden_size),
                                   .num_layers = static_cast<nn::Index>(num_layers),
                                   .latent_size = static_cast<nn::Index>(latent_size.value_or(0))};
  RandomGenerator random(seed);
  nn::Autoencoder<Scalar> network(sizes);
  const nn::Autoencoder<Scalar>* warm =
      previous == nullptr ? nullptr : previous->template network<Scalar>();
  if (warm != nullptr && warm->sizes() == sizes) {
    network = *warm;
  } else {
    network.initialize(random);
  }
  const nn::TrainingOptions options{.epochs = epochs,
                                    .batch_size = batch_size,
                                    .learning_rate = learning_rate,
                                    .validation_fraction = validation_fraction,
                                    .patience = patience,
                                    .clip_norm = clip_norm,
                                    .n_threads = n_threads};
  std::vector<double> errors;
  const nn::detail::WindowSet<Scalar> scaled(windows, fitted_scaler);
  nn::TrainingHistory history = nn::train(network, scaled, options, random(), control, errors);
  return {std::move(network), window, fitted_scaler, std::move(history), std::move(errors)};
}

}  // namespace freshet
