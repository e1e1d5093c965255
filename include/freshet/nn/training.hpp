#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "freshet/core/cancellation.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/random.hpp"
#include "freshet/nn/adam.hpp"
#include "freshet/nn/autoencoder.hpp"
#include "freshet/nn/detail/parallel.hpp"
#include "freshet/nn/detail/window_set.hpp"

/// @file
/// From windows to the weights that reconstruct them best.

namespace freshet::nn {

/// How a network is trained.
struct TrainingOptions {
  std::size_t epochs = 60;           ///< Passes over the training windows, at most.
  std::size_t batch_size = 64;       ///< Windows per step of the optimizer.
  double learning_rate = 3e-3;       ///< Of Adam.
  double validation_fraction = 0.1;  ///< The share of windows, the last ones, held out.
  std::size_t patience = 10;         ///< Epochs without a better loss that end the training.
  double clip_norm = 1.0;            ///< The largest norm of a step's gradient.
  std::size_t n_threads = 1;         ///< Does not change the result.
};

/// The losses after an epoch: mean squared errors of scaled values.
struct EpochLosses {
  double training = 0.0;    ///< Over the epoch's steps, each before its step.
  double validation = 0.0;  ///< After the epoch; NaN when nothing was held out.

  /// Reads or writes it; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(training, validation);
  }
  friend bool operator==(const EpochLosses&, const EpochLosses&) = default;
};

/// Where a training is, told after every step of the optimizer.
struct TrainingProgress {
  std::size_t epoch = 0;                       ///< Counted from 1.
  std::size_t n_epochs = 0;                    ///< At most.
  std::size_t batch = 0;                       ///< Counted from 1 within the epoch.
  std::size_t n_batches = 0;                   ///< Per epoch.
  double training_loss = 0.0;                  ///< Of the epoch so far.
  std::optional<double> validation_loss = {};  ///< With the last batch of an epoch, if held out.
  double seconds = 0.0;                        ///< Since the training began.
};

/// What a training looks at while it runs.
struct TrainingControl {
  /// Ends the training with FitError (fit_cancelled) at the next step.
  std::stop_token stop = {};
  /// Called on the training's thread; what it throws ends the training.
  std::function<void(const TrainingProgress&)> on_progress = {};
};

/// What a training was like.
struct TrainingHistory {
  /// The losses, epoch by epoch.
  std::vector<EpochLosses> epochs;
  std::size_t best_epoch = 0;  ///< Counted from 1: whose weights were kept.

  /// Reads or writes it; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(epochs, best_epoch);
  }
  friend bool operator==(const TrainingHistory&, const TrainingHistory&) = default;
};

namespace detail {

/// The steps of one training. Batches are cut into chunks of a fixed size, whose gradients are
/// added up in their order, so that the result does not depend on the number of threads.
template <class Scalar>
class TrainingRun {
 public:
  static constexpr std::size_t chunk_size = 16;

  TrainingRun(Autoencoder<Scalar>& network, const WindowSet<Scalar>& windows,
              const TrainingOptions& options)
      : network_(network),
        windows_(windows),
        parallel_(options.n_threads),
        inputs_(parallel_.n_threads()),
        workspaces_(parallel_.n_threads()),
        transposed_(static_cast<std::size_t>(network.transposed_size())),
        adam_({.learning_rate = options.learning_rate}),
        clip_norm_(options.clip_norm) {}

  /// One step of the optimizer. @return the sum of the squared errors before it
  double step(std::span<const Index> batch) {
    const std::size_t n_chunks = (batch.size() + chunk_size - 1) / chunk_size;
    while (gradients_.size() < n_chunks) gradients_.push_back(network_.zeros());
    squares_.resize(n_chunks);
    network_.transpose(transposed_.data());
    const auto weight = static_cast<Scalar>(1.0 / n_values(batch.size()));
    parallel_(n_chunks, [&](std::size_t chunk, std::size_t thread) {
      const auto chosen = chunk_of(batch, chunk);
      squares_[chunk] =
          network_.gradient(gathered(chosen, thread), windows_.n_steps(), size_of(chosen), weight,
                            transposed_.data(), gradients_[chunk], workspaces_[thread]);
    });
    auto& sum = gradients_.front();
    for (std::size_t chunk = 1; chunk < n_chunks; ++chunk) {
      for (std::size_t i = 0; i < sum.size(); ++i) {
        for (std::size_t j = 0; j < sum[i].size(); ++j) sum[i][j] += gradients_[chunk][i][j];
      }
    }
    clip_norm(sum, clip_norm_);
    adam_.step(network_.blocks(), sum);
    return std::accumulate(squares_.begin(), squares_.end(), 0.0);
  }

  /// The mean squared error of every window in `chosen`.
  void errors(std::span<const Index> chosen, std::span<double> out) {
    parallel_(
        (chosen.size() + chunk_size - 1) / chunk_size, [&](std::size_t chunk, std::size_t thread) {
          const auto some = chunk_of(chosen, chunk);
          const Scalar* inputs = gathered(some, thread);
          const Scalar* outputs =
              network_.reconstruct(inputs, windows_.n_steps(), size_of(some), workspaces_[thread]);
          network_.window_errors(inputs, outputs, windows_.n_steps(), size_of(some),
                                 out.data() + chunk * chunk_size);
        });
  }

  /// The number of values of `n` windows.
  [[nodiscard]] double n_values(std::size_t n) const noexcept {
    return static_cast<double>(n) * static_cast<double>(windows_.n_steps() * windows_.n_columns());
  }

 private:
  static std::span<const Index> chunk_of(std::span<const Index> all, std::size_t chunk) noexcept {
    const std::size_t begin = chunk * chunk_size;
    return all.subspan(begin, std::min(chunk_size, all.size() - begin));
  }
  static Index size_of(std::span<const Index> windows) noexcept {
    return static_cast<Index>(windows.size());
  }
  const Scalar* gathered(std::span<const Index> chosen, std::size_t thread) {
    AlignedVector<Scalar>& inputs = inputs_[thread];
    inputs.resize(chosen.size() *
                  static_cast<std::size_t>(windows_.n_steps() * windows_.n_columns()));
    windows_.gather(chosen, inputs.data());
    return inputs.data();
  }

  Autoencoder<Scalar>& network_;
  const WindowSet<Scalar>& windows_;
  Parallel parallel_;
  std::vector<AlignedVector<Scalar>> inputs_;
  std::vector<Workspace<Scalar>> workspaces_;
  AlignedVector<Scalar> transposed_;
  std::vector<typename Autoencoder<Scalar>::Parameters> gradients_;
  std::vector<double> squares_;
  Adam<Scalar> adam_;
  double clip_norm_;
};

}  // namespace detail

/// Trains `network`, whose weights are where it begins, by Adam on the mean squared error of
/// shuffled batches, and leaves it with the weights of the epoch that had the least loss: of the
/// windows held out, or without any of the training windows. O(epochs · windows · steps · weights).
/// @param errors  out: the mean squared error of every window under the final weights
/// @return the losses of every epoch; the same for the same seed on one machine, to the bit
/// @throws FitError: fit_diverged when a loss is not finite, fit_cancelled when told to stop; the
/// network is then of no use
template <class Scalar>
TrainingHistory train(Autoencoder<Scalar>& network, const detail::WindowSet<Scalar>& windows,
                      const TrainingOptions& options, Seed seed, const TrainingControl& control,
                      std::vector<double>& errors) {
  const auto began = std::chrono::steady_clock::now();
  std::vector<Index> order(static_cast<std::size_t>(windows.size()));
  std::iota(order.begin(), order.end(), Index{0});
  const auto n_held_out = std::min(
      order.size() - 1,
      static_cast<std::size_t>(options.validation_fraction * static_cast<double>(order.size())));
  const std::vector<Index> held_out(order.end() - static_cast<std::ptrdiff_t>(n_held_out),
                                    order.end());
  const std::vector<Index> all = order;
  order.resize(order.size() - n_held_out);
  std::vector<double> held_out_errors(n_held_out);

  detail::TrainingRun<Scalar> run(network, windows, options);
  RandomGenerator random(seed);
  TrainingHistory history;
  Autoencoder<Scalar> best = network;
  double best_loss = std::numeric_limits<double>::infinity();
  TrainingProgress progress;
  progress.n_epochs = options.epochs;
  progress.n_batches = (order.size() + options.batch_size - 1) / options.batch_size;

  for (progress.epoch = 1; progress.epoch <= options.epochs; ++progress.epoch) {
    random.shuffle(std::span(order));
    double squares = 0.0;
    EpochLosses losses;
    for (std::size_t batch = 0; batch < progress.n_batches; ++batch) {
      require_not_cancelled(control.stop, "epoch", progress.epoch);
      const std::size_t begin = batch * options.batch_size;
      const std::size_t end = std::min(begin + options.batch_size, order.size());
      squares += run.step(std::span<const Index>(order).subspan(begin, end - begin));
      losses.training = squares / run.n_values(end);
      progress.validation_loss.reset();
      if (end == order.size()) {
        run.errors(held_out, held_out_errors);
        losses.validation = std::accumulate(held_out_errors.begin(), held_out_errors.end(), 0.0) /
                            static_cast<double>(n_held_out);
        if (n_held_out > 0) progress.validation_loss = losses.validation;
      }
      if (!std::isfinite(losses.training) || !std::isfinite(progress.validation_loss.value_or(0))) {
        throw FitError(ErrorCode::fit_diverged,
                       "the training diverged in epoch " + std::to_string(progress.epoch) +
                           ": its loss is not finite; a smaller learning_rate may help",
                       "learning_rate", "a loss that stays finite");
      }
      progress.batch = batch + 1;
      progress.training_loss = losses.training;
      progress.seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
      if (control.on_progress) control.on_progress(progress);
    }
    history.epochs.push_back(losses);
    const double loss = n_held_out > 0 ? losses.validation : losses.training;
    if (loss < best_loss) {
      best_loss = loss;
      best = network;
      history.best_epoch = progress.epoch;
    } else if (progress.epoch - history.best_epoch >= options.patience) {
      break;
    }
  }
  network = std::move(best);
  errors.resize(all.size());
  run.errors(all, errors);
  return history;
}

}  // namespace freshet::nn
