#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/executor.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/result.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/features/encoder.hpp"
#include "freshet/features/feature_map.hpp"
#include "freshet/stream/config.hpp"
#include "freshet/stream/detail/feature_window.hpp"
#include "freshet/stream/detail/row_clock.hpp"
#include "freshet/stream/detail/row_encoding.hpp"
#include "freshet/stream/generation.hpp"
#include "freshet/stream/statistics.hpp"
#include "freshet/stream/trainer.hpp"
#include "freshet/stream/training.hpp"

/// @file
/// Rows in, verdicts out.

namespace freshet {

/// Turns a stream of rows into verdicts: encodes what is no number, engineers features, scores each
/// row with the active model, keeps the last rows and trains the next model from them.
///
/// A row is checked completely, then scored with the active model, then kept and counted; a row
/// that is refused leaves no trace. The row that completes `min_samples` starts the first training
/// and is itself not scored. The first training runs on the calling thread, so that the next row
/// is scored; later ones run where `StreamingConfig::retrain` says, and their models are adopted
/// between two rows. With `Retrain::manual` every training, the first too, waits for `retrain()`.
/// With `Retrain::hosted` later trainings are handed to the host by `training()`, and their models
/// come back by `publish()`: what scores a row then depends on the order of calls and nothing else.
///
/// Threads: one at a time may call what changes the detector. `generation()` may be called from
/// any thread at any time; it never waits, neither for training nor for `process`.
///
/// A copy goes on independently with the same results; both share the executor. A detector that was
/// moved from can only be destroyed or assigned to.
template <Backend B>
class StreamingDetector {
 public:
  /// @param executor where background training runs; `default_executor()` when null.
  /// @throws ConfigurationError naming the setting that is out of range.
  explicit StreamingDetector(B backend, StreamingConfig config,
                             std::shared_ptr<Executor> executor = nullptr)
      : encoding_(checked(backend, config)),
        window_(encoding_.n_outputs(config), config),
        trainer_(std::move(backend), std::move(config), std::move(executor)) {}

  /// Begins with a model that was trained elsewhere. Rows are scored as soon as there are enough of
  /// them for a shingle; until then the detector is collecting. A threshold in the settings
  /// replaces the model's.
  /// @throws ConfigurationError also when the model scores rows of another width.
  StreamingDetector(B backend, StreamingConfig config, const Generation<B>& generation,
                    std::shared_ptr<Executor> executor = nullptr)
      : encoding_(checked(backend, config)),
        window_(encoding_.n_outputs(config), config),
        trainer_(std::move(backend), config, std::move(executor),
                 generation.with_threshold(config.threshold.value_or(generation.threshold()))) {
    require_same_width(generation);
  }

  /// Scores a row, then keeps it. Allocates only when a training begins.
  /// @param row `n_features` finite values.
  /// @param timestamp in any unit that grows.
  /// @throws DataError naming row and column, the detector being unchanged.
  Result process(RowView row, std::optional<double> timestamp = std::nullopt) {
    const Outcome outcome = try_process(row, timestamp);
    if (outcome) return *outcome;
    if (has_schema()) encoder().require_row(std::vector<Cell>(row.begin(), row.end()));
    throw to_error(outcome.error(), config().columns);
  }

  /// The same for a row that is encoded by the schema first; without one its cells are numbers.
  /// Allocates for categories that are new.
  Result process(CellRow row, std::optional<double> timestamp = std::nullopt) {
    if (!has_schema()) return process(numbers_of(row).row(0), timestamp);
    const Outcome outcome = try_cells(row, timestamp);
    if (outcome) return *outcome;
    encoder().require_row(row);  // throws, unless it was the timestamp
    throw to_error(outcome.error(), config().columns);
  }

  /// As `process`, but says why a row is refused instead of throwing.
  Outcome try_process(RowView row, std::optional<double> timestamp = std::nullopt) noexcept {
    if (has_schema()) {
      if (row.size() != encoder().n_columns()) {
        return RowFault{ErrorCode::width_mismatch, 0, row.size(), encoder().n_columns()};
      }
      return try_cells(encoding_.cells_of(row), timestamp);
    }
    if (const auto fault = find_fault(row, config().n_features)) return *fault;
    return accept_at(row, timestamp);
  }

  /// Processes rows in order. All of them are checked before the first is processed, so that a
  /// batch that is refused changes nothing.
  /// @param results room for one verdict per row, filled in.
  /// @param timestamps empty, or one per row.
  /// @throws DataError naming row and column; also for an empty batch, and for more or fewer
  /// results or timestamps than rows.
  void process_many(MatrixView rows, std::span<Result> results,
                    std::span<const double> timestamps = {}) {
    if (has_schema()) return process_many(CellRows(rows), results, timestamps);
    accept_all(rows, results, timestamps);
  }
  /// The same for rows that the schema encodes.
  void process_many(const CellRows& rows, std::span<Result> results,
                    std::span<const double> timestamps = {}) {
    if (!has_schema()) return process_many(numbers_of(rows), results, timestamps);
    accept_all(rows, results, timestamps);
  }

  /// Throws what `process_many` would for these rows, and changes nothing.
  void check(MatrixView rows, std::span<const double> timestamps = {}) const {
    if (has_schema()) return check(CellRows(rows), timestamps);
    require_rows(rows, config().n_features, config().columns);
    clock_.require(timestamps, rows.n_rows(), config().out_of_order);
  }
  /// The same for rows that the schema encodes.
  void check(const CellRows& rows, std::span<const double> timestamps = {}) const {
    if (!has_schema()) return check(numbers_of(rows), timestamps);
    encoder().require_rows(rows);
    clock_.require(timestamps, rows.n_rows(), config().out_of_order);
  }

  /// What the active model would score `row` if it came next; nothing is kept. Allocates.
  /// @throws DataError for a row that `process` would refuse; NotReadyError without a model.
  [[nodiscard]] Score score(RowView row) const { return ready_generation().score(peek(row)); }
  /// The same for a row that the schema encodes.
  [[nodiscard]] Score score(CellRow row) const { return ready_generation().score(peek(row)); }

  /// What each feature of `row` would add to its raw score if it came next: one value per name in
  /// `feature_names()`, the rows of a shingle summed up. Nothing is kept. Allocates.
  /// @throws DataError for a row that `process` would refuse; NotReadyError without a model.
  [[nodiscard]] std::vector<double> explain(RowView row) const
    requires ExplainableModel<typename B::Model>
  {
    return explain_peeked(row);
  }
  /// The same for a row that the schema encodes; a value for each column that comes in.
  [[nodiscard]] std::vector<double> explain(CellRow row) const
    requires ExplainableModel<typename B::Model>
  {
    return explain_peeked(row);
  }

  /// Trains on the window now: on the calling thread, or, once there is a model and with
  /// `Retrain::background`, on the executor as soon as no other training of this detector runs;
  /// with `Retrain::hosted`, by the host as soon as it is done with the one before.
  /// @throws NotReadyError with fewer than `min_samples` rows; FitError when training on the
  /// calling thread fails, the model at hand staying active.
  void retrain() { trainer_.retrain(window_.view()); }

  /// Whether a training is due by the number of rows: what a host with `Retrain::manual` asks.
  [[nodiscard]] bool retrain_due() const noexcept { return trainer_.due(window_.size()); }

  /// With `Retrain::hosted`, the training that is due and not published or abandoned, else null.
  /// It trains on the window as it was at the row that made it due.
  [[nodiscard]] std::shared_ptr<const Training<B>> training() const noexcept {
    return trainer_.pending();
  }

  /// Makes a model that was trained elsewhere the active one, if its version is the active one's
  /// plus 1 (1 while there is none); a training that was to yield this version is dropped. A
  /// threshold in the settings replaces the model's.
  /// @return whether it did; if not, nothing has changed.
  /// @throws ConfigurationError when the model scores rows of another width.
  bool publish(std::shared_ptr<const Generation<B>> generation) {
    require_same_width(*generation);
    const double threshold = config().threshold.value_or(generation->threshold());
    if (threshold != generation->threshold()) {
      generation = std::make_shared<const Generation<B>>(generation->with_threshold(threshold));
    }
    if (!trainer_.publish(std::move(generation))) return false;
    trainer_.begin_requested(window_.view());
    return true;
  }

  /// Gives up the training that `training()` hands out: it is counted as failed because of `why`,
  /// and tried again with the rows of the next interval.
  /// @param number  its version, to give up no other one
  /// @return whether there was one.
  bool abandon_training(std::string_view why,
                        std::optional<std::uint64_t> number = std::nullopt) noexcept {
    if (!trainer_.abandon(why, number)) return false;
    trainer_.begin_requested(window_.view());
    return true;
  }

  /// Blocks until no training is running and its model is active; never for one that waits for the
  /// host.
  void wait() noexcept { trainer_.wait(window_.view()); }

  /// Makes the model of a training that has ended the active one without waiting for the next row.
  void adopt() noexcept {
    trainer_.adopt();
    trainer_.begin_requested(window_.view());
  }

  /// A function that blocks until the training that is running now has ended, to be called without
  /// holding the lock that guards this detector; empty when none is.
  [[nodiscard]] std::function<void()> waiter() const { return trainer_.waiter(); }

  /// Back to cold start: rows, features, model and counters are gone, the settings stay.
  void reset() noexcept {
    encoding_.reset();
    window_.reset();
    trainer_.reset();
    clock_.reset();
    total_processed_ = 0;
    dropped_ = 0;
  }

  /// The active model with all that belongs to it, or null while there is none: for scoring rows
  /// of features from other threads, for as long as the pointer is kept.
  [[nodiscard]] std::shared_ptr<const Generation<B>> generation() const noexcept {
    return trainer_.generation();
  }

  /// Where the detector is in its life.
  [[nodiscard]] Status status() const noexcept {
    if (!can_score(window_.size())) return Status::collecting;
    return trainer_.running() ? Status::retraining : Status::ready;
  }

  /// What has happened so far.
  [[nodiscard]] Statistics stats() const {
    Statistics stats;
    stats.status = status();
    stats.samples_collected = window_.size();
    stats.total_processed = total_processed_;
    stats.samples_since_retrain = trainer_.rows_since_fit();
    stats.samples_until_ready = samples_until_ready();
    stats.dropped = dropped_;
    stats.failed_retrains = trainer_.failures();
    stats.last_error = trainer_.last_error();
    if (const Generation<B>* active = trainer_.active()) {
      stats.model_version = active->version();
      stats.last_fit_seconds = active->fit_seconds();
      stats.threshold = active->threshold();
    }
    return stats;
  }

  /// The method and its hyperparameters.
  [[nodiscard]] const B& backend() const noexcept { return trainer_.backend(); }
  /// The settings.
  [[nodiscard]] const StreamingConfig& config() const noexcept { return trainer_.config(); }
  /// What the schema makes of rows; without one it has no columns.
  [[nodiscard]] const Encoder& encoder() const noexcept { return encoding_.encoder(); }
  /// What is made of encoded rows.
  [[nodiscard]] const FeatureMap& features() const noexcept { return window_.features(); }
  /// The names of the features, in the order in which the model sees them. Those of one-hot columns
  /// change when categories appear.
  [[nodiscard]] std::vector<std::string> feature_names() const {
    return features().names(has_schema() ? encoder().names() : config().columns);
  }
  /// The column from which feature `feature` is made.
  [[nodiscard]] std::size_t column_of(std::size_t feature) const noexcept {
    const std::size_t encoded = features().column_of(feature);
    return has_schema() ? encoder().column_of(encoded) : encoded;
  }

  /// What a snapshot of this type of detector is called.
  [[nodiscard]] static std::string snapshot_kind() { return std::string(B::name); }

  /// A detector that goes on where the one that was written stopped; see io/snapshot.hpp.
  template <class Archive>
  [[nodiscard]] static StreamingDetector read(Archive& archive,
                                              std::shared_ptr<Executor> executor) {
    StreamingDetector detector(std::move(executor));
    archive(detector);
    return detector;
  }

  /// Reads the whole state into a fresh detector, or writes it; see io/snapshot.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(trainer_, window_, clock_, total_processed_, dropped_);
    if (has_schema()) archive(encoding_);
    if constexpr (Archive::is_reading) {
      archive.require(
          !has_schema() || (std::ranges::equal(encoder().columns(), config().column_names()) &&
                            encoder().schema() == config().schema && !encoder().is_fitted()),
          "encoder");
      const Generation<B>* active = trainer_.active();
      const std::optional<Matrix>& interrupted = trainer_.interrupted();
      archive.require(window_.is_made_of(encoding_.n_outputs(config()), config()) &&
                          (active == nullptr || active->n_features() == n_scored()),
                      "shapes");
      window_.make_room();
      archive.require(!interrupted || (interrupted->n_columns() == features().n_features() &&
                                       interrupted->n_rows() >= config().shingle &&
                                       interrupted->n_rows() <= config().window_size &&
                                       features_acceptable(*interrupted)),
                      "training rows");
      trainer_.resume();
    }
  }

 private:
  explicit StreamingDetector(std::shared_ptr<Executor> executor)
      : trainer_(B{}, StreamingConfig{}, std::move(executor)) {}

  /// For the first member to be made, so that nothing is made of settings that are out of range. Of
  /// a backend that scores windows, the shingle is its window.
  static const StreamingConfig& checked(const B& backend, StreamingConfig& config) {
    if constexpr (requires { backend.validate(); }) backend.validate();
    if constexpr (WindowBackend<B>) {
      require_parameter(
          config.shingle == 1 || config.shingle == backend.window, "shingle",
          "left alone, or the backend's window of " + std::to_string(backend.window) + " rows");
      config.shingle = backend.window;
    }
    config.validate();
    return config;
  }

  [[nodiscard]] bool has_schema() const noexcept { return !config().schema.empty(); }

  /// How many values a model scores at a time.
  [[nodiscard]] std::size_t n_scored() const noexcept {
    return features().n_features() * config().shingle;
  }

  void require_same_width(const Generation<B>& generation) const {
    require_parameter(generation.n_features() == n_scored(), "n_features",
                      "as many features times shingle as the model scores");
  }

  /// Cells that come without a schema, one row or many.
  template <class Cells>
  [[nodiscard]] Matrix numbers_of(const Cells& cells) const {
    return streamdetail::numbers_of(cells, config().column_names());
  }

  /// With a schema, what `try_process` says of a row of cells.
  Outcome try_cells(CellRow row, std::optional<double> timestamp) noexcept {
    if (const auto fault = encoder().find_fault(row)) return *fault;
    return accept_at(row, timestamp);
  }

  /// Processes a row that has been checked, unless its timestamp is refused.
  template <class Row>
  Outcome accept_at(Row row, std::optional<double> timestamp) noexcept {
    if (!timestamp) return accept(row);
    if (const auto fault = clock_.find_fault(*timestamp, config().out_of_order)) return *fault;
    return accept_or_drop(row, *timestamp);
  }

  template <class Rows>
  void accept_all(const Rows& rows, std::span<Result> results, std::span<const double> timestamps) {
    check(rows, timestamps);
    streamdetail::require_one_per_row("results", results.size(), rows.n_rows());
    for (std::size_t i = 0; i < rows.n_rows(); ++i) {
      results[i] =
          timestamps.empty() ? accept(rows.row(i)) : accept_or_drop(rows.row(i), timestamps[i]);
    }
  }

  template <class Row>
  Result accept_or_drop(Row row, double timestamp) noexcept {
    if (clock_.advance(timestamp)) return accept(row);
    ++dropped_;
    Result unscored;
    unscored.status = status();
    unscored.samples_until_ready = samples_until_ready();
    unscored.index = total_processed_;
    return unscored;
  }

  Result accept(CellRow row) noexcept { return accept(encoding_.learn(row)); }

  /// Scores and keeps a row that has been checked.
  Result accept(RowView row) noexcept {
    trainer_.adopt();
    window_.stage(row);
    Result result;
    if (const Generation<B>* active = trainer_.active();
        active != nullptr && can_score(window_.size() + 1)) {
      const Score verdict = active->score(window_.staged(config().shingle));
      result.scored = true;
      result.score = verdict.score;
      result.raw_score = verdict.raw_score;
      result.is_anomaly = verdict.is_anomaly;
      result.alarm = verdict.is_anomaly;
      result.model_version = active->version();
    }
    window_.keep(row);
    result.index = total_processed_++;
    trainer_.row_accepted(window_.view());
    result.status = status();
    result.samples_until_ready = samples_until_ready();
    return result;
  }

  /// The features that `row` would be scored with if it came next.
  [[nodiscard]] std::vector<double> peek(RowView row) const {
    if (has_schema()) return peek(std::vector<Cell>(row.begin(), row.end()));
    if (const auto fault = find_fault(row, config().n_features)) {
      throw to_error(*fault, config().columns);
    }
    return window_.peek(row, config().shingle);
  }
  [[nodiscard]] std::vector<double> peek(CellRow row) const {
    if (!has_schema()) return peek(numbers_of(row).row(0));
    std::vector<double> encoded(encoder().n_outputs());
    encoder().encode(row, encoded);
    return window_.peek(encoded, config().shingle);
  }

  /// What each feature adds to the score of `row`, the rows of a shingle summed up.
  template <class Row>
  [[nodiscard]] std::vector<double> explain_peeked(Row row) const {
    const Generation<B>& generation = ready_generation();  // before there is anything to peek at
    const std::vector<double> features = peek(row);
    std::vector<double> contributions(features.size());
    generation.explain(features, contributions);
    window_.sum_rows(contributions);
    return contributions;
  }

  /// Whether there is a model and, with `n_rows`, enough rows for a shingle.
  [[nodiscard]] bool can_score(std::size_t n_rows) const noexcept {
    return trainer_.active() != nullptr && n_rows >= config().shingle;
  }

  [[nodiscard]] const Generation<B>& ready_generation() const {
    if (can_score(window_.size() + 1)) return *trainer_.active();
    throw NotReadyError(ErrorCode::not_ready,
                        "no row can be scored yet: " + std::to_string(samples_until_ready()) +
                            " more rows are needed before",
                        "samples_until_ready", "0");
  }

  [[nodiscard]] std::size_t samples_until_ready() const noexcept {
    const std::size_t needed =
        trainer_.active() == nullptr ? config().min_samples : config().shingle - 1;
    return window_.size() < needed ? needed - window_.size() : 0;
  }

  streamdetail::RowEncoding encoding_;
  streamdetail::FeatureWindow window_;
  Trainer<B> trainer_;
  streamdetail::RowClock clock_;
  std::uint64_t total_processed_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace freshet
