#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "freshet/backends/dtype.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/nn/autoencoder.hpp"
#include "freshet/nn/detail/parallel.hpp"
#include "freshet/nn/training.hpp"
#include "freshet/scaling/affine.hpp"

/// @file
/// What training an LSTM autoencoder yields.

namespace freshet::backendsdetail {

/// The largest sizes that are accepted: beyond them a damaged file would ask for all memory.
struct LstmAutoencoderLimits {
  static constexpr std::size_t window = 100'000;
  static constexpr std::size_t hidden_size = 4096;
  static constexpr std::size_t num_layers = 16;
  static constexpr std::size_t n_columns = 65'536;
};

/// The single rows of `windows`: those of the series itself where the windows are views of one.
/// `windows` must outlive the result unless they are rows of a matrix with gaps.
[[nodiscard]] inline Matrix rows_of_windows(MatrixView windows, std::size_t window) {
  const std::size_t n_columns = windows.n_columns() / window;
  if (windows.row_stride() == n_columns) {
    return Matrix(MatrixView(windows.data(), windows.n_rows() - 1 + window, n_columns));
  }
  Matrix rows(windows.n_rows() * window, n_columns);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    const RowView whole = windows.row(i / window);
    std::copy_n(whole.begin() + static_cast<std::ptrdiff_t>(i % window * n_columns), n_columns,
                rows.row(i).begin());
  }
  return rows;
}

/// A trained LSTM autoencoder: immutable, copies share the weights. The row that it scores is a
/// window: `window()` rows of `n_columns()` values, the oldest first, unscaled.
///
/// `score` and `explain` need room that they keep per thread: a thread's first call allocates.
class LstmAutoencoderModel {
 public:
  LstmAutoencoderModel() = default;

  /// @param scaler  of the network's `n_columns`
  /// @param training_scores  the errors of the training windows
  template <class Scalar>
  LstmAutoencoderModel(nn::Autoencoder<Scalar> network, std::size_t window, AffineTransform scaler,
                       nn::TrainingHistory history, std::vector<double> training_scores)
      : network_(std::make_shared<const Network>(std::move(network))),
        window_(window),
        scaler_(std::move(scaler)),
        history_(std::move(history)),
        training_scores_(std::move(training_scores)) {
    assert(scaler_.n_features() == static_cast<std::size_t>(sizes().n_columns));
  }

  /// Values per window.
  [[nodiscard]] std::size_t n_features() const noexcept { return window_ * scaler_.n_features(); }
  [[nodiscard]] std::size_t window() const noexcept { return window_; }
  [[nodiscard]] std::size_t n_columns() const noexcept { return scaler_.n_features(); }
  [[nodiscard]] const AffineTransform& scaler() const noexcept { return scaler_; }
  [[nodiscard]] Dtype dtype() const noexcept {
    return network<double>() != nullptr ? Dtype::float64 : Dtype::float32;
  }
  /// The network's sizes.
  [[nodiscard]] nn::AutoencoderSizes sizes() const noexcept {
    if (network_ == nullptr) return {};
    return std::visit([](const auto& network) { return network.sizes(); }, *network_);
  }
  /// The network if it computes with `Scalar`, else null.
  template <class Scalar>
  [[nodiscard]] const nn::Autoencoder<Scalar>* network() const noexcept {
    return network_ == nullptr ? nullptr : std::get_if<nn::Autoencoder<Scalar>>(network_.get());
  }
  /// The losses of the training's epochs; empty for a model that was trained elsewhere.
  [[nodiscard]] const nn::TrainingHistory& history() const noexcept { return history_; }
  /// The errors of the training windows, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  /// The same model with `scores` for training scores: those of rows that it is calibrated on.
  [[nodiscard]] LstmAutoencoderModel with_training_scores(std::vector<double> scores) const {
    LstmAutoencoderModel calibrated = *this;
    calibrated.training_scores_ = std::move(scores);
    return calibrated;
  }

  /// The mean squared error of a window's reconstruction, scaled.
  /// O(window · num_layers · hidden_size²).
  [[nodiscard]] double score(RowView window) const noexcept {
    double error = 0.0;
    score({&window, 1}, {&error, 1});
    return error;
  }

  /// The same for windows of many streams at once, a matrix product per step across all of them:
  /// cheaper per window, and to the bit what each scores alone.
  /// @param windows  of `n_features()` values each
  /// @param errors   one for each window
  void score(std::span<const RowView> windows, std::span<double> errors) const noexcept {
    assert(errors.size() == windows.size());
    std::visit(
        [&](const auto& network) {
          for (std::size_t begin = 0; begin < windows.size(); begin += chunk_size) {
            const auto some = windows.subspan(begin, std::min(chunk_size, windows.size() - begin));
            const auto [inputs, outputs] = reconstruct(network, some);
            network.window_errors(inputs, outputs, steps(), static_cast<nn::Index>(some.size()),
                                  errors.data() + begin);
          }
        },
        *network_);
  }

  /// The same for the rows of `windows`, by `n_threads` threads.
  [[nodiscard]] std::vector<double> score(MatrixView windows, std::size_t n_threads = 1) const {
    std::vector<double> errors(windows.n_rows());
    const nn::detail::Parallel parallel(n_threads);
    parallel((errors.size() + chunk_size - 1) / chunk_size,
             [&](std::size_t chunk, std::size_t /*thread*/) {
               std::array<RowView, chunk_size> rows;
               const std::size_t begin = chunk * chunk_size;
               const std::size_t n = std::min(chunk_size, errors.size() - begin);
               for (std::size_t i = 0; i < n; ++i) rows[i] = windows.row(begin + i);
               score(std::span<const RowView>(rows).first(n), {errors.data() + begin, n});
             });
    return errors;
  }

  /// The squared errors of every step and column, scaled: `n_features()` values whose mean is the
  /// score.
  void squared_errors(RowView window, std::span<double> errors) const noexcept {
    assert(errors.size() == n_features());
    std::visit(
        [&](const auto& network) {
          const auto [inputs, outputs] = reconstruct(network, {&window, 1});
          for (std::size_t i = 0; i < errors.size(); ++i) {
            const std::size_t at =
                i / n_columns() * static_cast<std::size_t>(network.output_stride()) +
                i % n_columns();
            const double error = static_cast<double>(outputs[at]) - static_cast<double>(inputs[i]);
            errors[i] = error * error;
          }
        },
        *network_);
  }

  /// What each step and column adds to the score.
  void explain(RowView window, std::span<double> contributions) const noexcept {
    squared_errors(window, contributions);
    for (double& contribution : contributions) {
      contribution /= static_cast<double>(contributions.size());
    }
  }

  /// The window as the network reconstructs it, in the columns' own units.
  void reconstruct(RowView window, std::span<double> reconstruction) const noexcept {
    assert(reconstruction.size() == n_features());
    std::visit(
        [&](const auto& network) {
          const auto* outputs = reconstruct(network, {&window, 1}).second;
          for (std::size_t i = 0; i < reconstruction.size(); ++i) {
            const std::size_t column = i % n_columns();
            const std::size_t at =
                i / n_columns() * static_cast<std::size_t>(network.output_stride()) + column;
            reconstruction[i] = static_cast<double>(outputs[at]) * scaler_.scale()[column] +
                                scaler_.center()[column];
          }
        },
        *network_);
  }

  /// Reads or writes the model; see io/archive.hpp. The weights are written in PyTorch's order, so
  /// that the bytes do not depend on how kernels want them.
  template <class Archive>
  void serialize(Archive& archive) {
    Dtype stored = dtype();
    nn::AutoencoderSizes stored_sizes = sizes();
    auto n_columns = static_cast<std::size_t>(stored_sizes.n_columns);
    auto hidden_size = static_cast<std::size_t>(stored_sizes.hidden_size);
    auto num_layers = static_cast<std::size_t>(stored_sizes.num_layers);
    auto latent_size = static_cast<std::size_t>(stored_sizes.latent_size);
    archive(stored, n_columns, hidden_size, num_layers, latent_size, window_, scaler_, history_,
            training_scores_);
    using Limits = LstmAutoencoderLimits;
    const auto within = [](std::size_t value, std::size_t low, std::size_t high) {
      return value >= low && value <= high;
    };
    archive.require(stored <= Dtype::float64 && within(n_columns, 1, Limits::n_columns) &&
                        within(hidden_size, 1, Limits::hidden_size) &&
                        within(num_layers, 1, Limits::num_layers) &&
                        within(latent_size, 0, Limits::hidden_size) &&
                        within(window_, 2, Limits::window) && scaler_.n_features() == n_columns,
                    "network sizes");
    stored_sizes = {.n_columns = static_cast<nn::Index>(n_columns),
                    .hidden_size = static_cast<nn::Index>(hidden_size),
                    .num_layers = static_cast<nn::Index>(num_layers),
                    .latent_size = static_cast<nn::Index>(latent_size)};
    if (stored == Dtype::float64) {
      serialize_weights<double>(archive, stored_sizes);
    } else {
      serialize_weights<float>(archive, stored_sizes);
    }
  }

 private:
  using Network = std::variant<nn::Autoencoder<float>, nn::Autoencoder<double>>;

  /// Windows that go through the network together: enough for full registers, few enough for what
  /// is kept of each step to stay in the nearer caches.
  static constexpr std::size_t chunk_size = 24;

  [[nodiscard]] nn::Index steps() const noexcept { return static_cast<nn::Index>(window_); }

  /// The windows scaled and side by side, and their reconstructions, in the thread's own memory.
  template <class Scalar>
  [[nodiscard]] std::pair<const Scalar*, const Scalar*> reconstruct(
      const nn::Autoencoder<Scalar>& network, std::span<const RowView> windows) const noexcept {
    thread_local nn::detail::AlignedVector<Scalar> inputs;
    thread_local nn::detail::Workspace<Scalar> workspace;
    const std::size_t size = windows.size() * n_features();
    if (inputs.size() < size) inputs.resize(size);
    const std::span<const double> center = scaler_.center();
    const std::span<const double> scale = scaler_.scale();
    Scalar* out = inputs.data();
    for (std::size_t step = 0; step < window_; ++step) {
      for (const RowView window : windows) {
        assert(window.size() == n_features());
        const double* row = window.data() + step * n_columns();
        for (std::size_t column = 0; column < n_columns(); ++column) {
          *out++ = static_cast<Scalar>((row[column] - center[column]) / scale[column]);
        }
      }
    }
    return {inputs.data(), network.reconstruct(inputs.data(), steps(),
                                               static_cast<nn::Index>(windows.size()), workspace)};
  }

  template <class Scalar, class Archive>
  void serialize_weights(Archive& archive, const nn::AutoencoderSizes& sizes) {
    std::vector<Scalar> weights;
    const auto each = [](auto& tensors, const auto& use) {
      for (auto& tensor : tensors) {
        for (auto& value : tensor.values.template reshaped<Eigen::RowMajor>()) use(value);
      }
    };
    if constexpr (Archive::is_reading) {
      archive(weights);
      archive.require(weights.size() == nn::n_parameters(sizes), "number of weights");
      archive.require(std::ranges::all_of(weights, [](Scalar w) { return std::isfinite(w); }),
                      "weights");
      nn::Autoencoder<Scalar> network(sizes);
      auto tensors = network.tensors();
      auto next = weights.begin();
      each(tensors, [&next](Scalar& value) { value = *next++; });
      network.set_tensors(tensors);
      network_ = std::make_shared<const Network>(std::move(network));
    } else {
      if (const nn::Autoencoder<Scalar>* mine = network<Scalar>()) {
        const auto tensors = mine->tensors();
        each(tensors, [&weights](const Scalar& value) { weights.push_back(value); });
      }
      archive(weights);
    }
  }

  std::shared_ptr<const Network> network_;
  std::size_t window_ = 0;
  AffineTransform scaler_;
  nn::TrainingHistory history_;
  std::vector<double> training_scores_;
};

}  // namespace freshet::backendsdetail
