#pragma once

#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/training_rows.hpp"
#include "freshet/scaling/affine.hpp"
#include "freshet/scaling/scaler.hpp"
#include "freshet/stream/config.hpp"
#include "freshet/threshold/normalizer.hpp"

/// @file
/// Everything that one training yields, as one immutable value.

namespace freshet {

/// What one row scored under one generation.
struct Score {
  double raw_score = 0.0;   ///< The backend's own score.
  double score = 0.0;       ///< After normalization.
  bool is_anomaly = false;  ///< `score > threshold`.
};

/// A trained model with all that belongs to it: fitted from the same rows, published and replaced
/// together. Immutable once made, so that any number of threads may score with it. Copies share the
/// model's memory.
template <Backend B>
class Generation {
 public:
  /// The backend's model.
  using Model = typename B::Model;

  /// Something to restore into.
  Generation() = default;

  /// Trains on `rows` (`n_rows` × features, after shingling). A pure function of its arguments but
  /// for `fit_seconds()`.
  /// @param number    its `version()`
  /// @param previous  the active generation or null: where a WarmStartBackend begins
  /// @param stop      ends the training of a WarmStartBackend or CancellableBackend early
  /// @throws FitError when the backend can make no model of the rows, or was stopped.
  Generation(const B& backend, const StreamingConfig& config, MatrixView rows, std::uint64_t number,
             const Generation* previous = nullptr, const std::stop_token& stop = {})
      : version_(number), n_rows_(rows.n_rows()) {
    const auto began = std::chrono::steady_clock::now();
    const Model* previous_model = previous == nullptr ? nullptr : previous->model_.get();
    if (config.scaler == Scaling::none) {
      train(backend, config, rows, previous_model, stop);
    } else {
      scaler_ = fit(config.scaler, rows);
      train(backend, config, scaler_->transform(rows), previous_model, stop);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    fit_seconds_ = took.count();
  }

  /// What was trained elsewhere: version 1 of a detector that begins with it.
  Generation(Model model, const Normalizer& normalizer, double threshold, std::size_t n_rows)
      : version_(1),
        n_rows_(n_rows),
        model_(std::make_shared<const Model>(std::move(model))),
        normalizer_(normalizer),
        threshold_(threshold) {}

  /// The same under another number, in the same memory.
  [[nodiscard]] Generation with_version(std::uint64_t number) const {
    Generation renumbered(*this);
    renumbered.version_ = number;
    return renumbered;
  }

  /// The same with another threshold, in the same memory.
  [[nodiscard]] Generation with_threshold(double threshold) const {
    Generation stricter(*this);
    stricter.threshold_ = threshold;
    return stricter;
  }

  /// Counted from 1 within a detector.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }
  /// What scores.
  [[nodiscard]] const Model& model() const noexcept { return *model_; }
  /// What makes scores of raw scores.
  [[nodiscard]] const Normalizer& normalizer() const noexcept { return normalizer_; }
  /// Scores above it are anomalies.
  [[nodiscard]] double threshold() const noexcept { return threshold_; }
  /// The rows it was trained on.
  [[nodiscard]] std::size_t n_rows() const noexcept { return n_rows_; }
  /// The width of the rows it scores: features times shingle.
  [[nodiscard]] std::size_t n_features() const noexcept { return model_->n_features(); }
  /// How long the training took, in seconds.
  [[nodiscard]] double fit_seconds() const noexcept { return fit_seconds_; }

  /// Scores `n_features()` values. Any thread; neither locks nor allocates, but for a detector with
  /// a scaler, where a thread's first call does.
  [[nodiscard]] Score score(RowView features) const noexcept {
    assert(features.size() == n_features());
    Score verdict;
    verdict.raw_score = model_->score(scaled(features));
    verdict.score = normalizer_(verdict.raw_score);
    verdict.is_anomaly = verdict.score > threshold_;
    return verdict;
  }

  /// Fills `contributions` (`n_features()` values) with what each feature adds to the raw score.
  void explain(RowView features, std::span<double> contributions) const noexcept
    requires ExplainableModel<Model>
  {
    model_->explain(scaled(features), contributions);
  }

  /// Reads or writes the generation; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(version_, n_rows_, fit_seconds_, scaler_);
    if constexpr (Archive::is_reading) {
      Model model;
      archive(model);
      model_ = std::make_shared<const Model>(std::move(model));
    } else {
      archive(*model_);
    }
    archive(normalizer_, threshold_);
    archive.require(!scaler_ || scaler_->n_features() == n_features(), "scaler width");
  }

 private:
  void train(const B& backend, const StreamingConfig& config, MatrixView rows,
             [[maybe_unused]] const Model* previous, [[maybe_unused]] const std::stop_token& stop) {
    if constexpr (WarmStartBackend<B>) {
      model_ = std::make_shared<const Model>(backend.fit(rows, config.seed, previous, {stop}));
    } else if constexpr (CancellableBackend<B>) {
      model_ = std::make_shared<const Model>(backend.fit(rows, config.seed, stop));
    } else {
      model_ = std::make_shared<const Model>(backend.fit(rows, config.seed));
    }
    if constexpr (KeepsTrainingScores<Model>) {
      calibrate(config, model_->training_scores());
    } else {
      calibrate(config, scores_of(*model_, rows));
    }
  }

  void calibrate(const StreamingConfig& config, std::span<const double> training_scores) {
    normalizer_ = Normalizer::fit(config.normalization, training_scores, config.contamination);
    threshold_ = config.threshold.value_or(normalizer_.default_threshold());
  }

  [[nodiscard]] RowView scaled(RowView features) const noexcept {
    if (!scaler_) return features;
    thread_local std::vector<double> scratch;
    scratch.resize(features.size());
    scaler_->transform(features, scratch);
    return scratch;
  }

  std::uint64_t version_ = 0;
  std::size_t n_rows_ = 0;
  double fit_seconds_ = 0.0;
  std::optional<AffineTransform> scaler_;
  std::shared_ptr<const Model> model_ = std::make_shared<const Model>();
  Normalizer normalizer_;
  double threshold_ = 0.0;
};

}  // namespace freshet
