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

#include <nlohmann/json.hpp>

#include "freshet/core/error.hpp"
#include "freshet/core/executor.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/result.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/features/detail/encoder_layout.hpp"
#include "freshet/features/encoding.hpp"
#include "freshet/io/backend_registry.hpp"
#include "freshet/io/detail/detector_interface.hpp"
#include "freshet/io/json_fields.hpp"
#include "freshet/io/trained_model.hpp"
#include "freshet/stream/config.hpp"
#include "freshet/stream/statistics.hpp"

/// @file
/// A streaming detector whose backend is chosen at run time.

namespace freshet {

/// A StreamingDetector of any backend, made from settings in JSON:
///
/// @code
/// freshet::AnyDetector detector(nlohmann::json::parse(
///     R"({"backend": "hbos", "backend_params": {"n_bins": 20}, "columns": ["cpu", "memory"]})"));
/// @endcode
///
/// The fields are those of StreamingConfig, plus `backend` (default `"ecod"`) and
/// `backend_params`; `schema` is an object of the columns' encodings (`{"color": "onehot"}`, or
/// `{"color": {"encoding": "onehot", "max_categories": 8}}`). When neither `columns` nor
/// `n_features` is set, the first row that is accepted decides the width. Otherwise as
/// StreamingDetector, at the cost of one virtual call per row; what depends on the type of the
/// model (`generation()`) is not offered.
class AnyDetector {
 public:
  /// @param executor where background training runs; `default_executor()` when null.
  /// @throws ConfigurationError naming the field that is unknown, of the wrong type or out of
  /// range.
  explicit AnyDetector(const nlohmann::json& settings, std::shared_ptr<Executor> executor = nullptr)
      : executor_(std::move(executor)) {
    read_settings(settings);
    if (config_.n_features == 0) config_.n_features = config_.columns.size();
    if (config_.n_features > 0) {
      start();
    } else {
      check_settings();
    }
  }

  /// Begins with a model that was trained elsewhere, whose memory it shares; see StreamingDetector.
  /// @param settings  what is to be different from the model's own settings: neither the backend
  ///                  and its parameters nor what makes features of a row
  /// @throws ConfigurationError also for a setting that the model does not allow, and for a model
  /// that was trained on categories with codes of their stream, which mean nothing elsewhere.
  explicit AnyDetector(const TrainedModel& model,
                       const nlohmann::json& settings = nlohmann::json::object(),
                       std::shared_ptr<Executor> executor = nullptr)
      : backend_(model.backend()),
        backend_parameters_(model.backend_parameters()),
        config_(model.config()),
        executor_(std::move(executor)) {
    read_settings(settings);
    config_.validate();
    model.require_same_features(backend_, config_);
    require_parameter(
        complete_parameters(backend_, backend_parameters_) == model.backend_parameters(),
        "backend_params", "those that the model was trained with");
    require_parameter(!learns(config_.schema), "schema",
                      "without label, onehot and frequency in a detector that begins with a model");
    detector_ = with_backend(backend_, backend_parameters_, [&](auto backend) {
      const auto generation = model.generation<decltype(backend)>();
      return iodetail::make_detector(
          StreamingDetector(std::move(backend), config_, *generation, executor_));
    });
    config_ = detector_->config();
  }

  /// `detector` with its type forgotten. Its snapshots can be restored when `Backends` lists B.
  template <Backend B>
  explicit AnyDetector(StreamingDetector<B> detector)
      : backend_(B::name), config_(detector.config()) {
    JsonWriter parameters;
    B(detector.backend()).visit_fields(parameters);
    backend_parameters_ = parameters.object();
    detector_ = iodetail::make_detector(std::move(detector));
  }

  /// A copy goes on independently.
  AnyDetector(const AnyDetector& other)
      : backend_(other.backend_),
        backend_parameters_(other.backend_parameters_),
        config_(other.config_),
        executor_(other.executor_),
        detector_(other.detector_ ? other.detector_->clone() : nullptr) {}
  /// A copy goes on independently.
  AnyDetector& operator=(const AnyDetector& other) {
    AnyDetector copy(other);
    *this = std::move(copy);
    return *this;
  }
  /// What was moved from can only be destroyed or assigned to.
  AnyDetector(AnyDetector&&) noexcept = default;
  /// What was moved from can only be destroyed or assigned to.
  AnyDetector& operator=(AnyDetector&&) noexcept = default;
  ~AnyDetector() = default;

  /// See StreamingDetector::process.
  Result process(RowView row, std::optional<double> timestamp = std::nullopt) {
    if (detector_ == nullptr) return process_first(row, timestamp);
    return detector_->process(row, timestamp);
  }
  /// The same for a row that the schema encodes; without one its cells are numbers.
  Result process(CellRow row, std::optional<double> timestamp = std::nullopt) {
    if (detector_ == nullptr) return process_first(row, timestamp);
    return detector_->process(row, timestamp);
  }

  /// See StreamingDetector::process_many.
  void process_many(MatrixView rows, std::span<Result> results,
                    std::span<const double> timestamps = {}) {
    if (detector_ == nullptr) return process_first_many(rows, results, timestamps);
    detector_->process_many(rows, results, timestamps);
  }
  /// The same for rows that the schema encodes.
  void process_many(const CellRows& rows, std::span<Result> results,
                    std::span<const double> timestamps = {}) {
    if (detector_ == nullptr) return process_first_many(rows, results, timestamps);
    detector_->process_many(rows, results, timestamps);
  }

  /// See StreamingDetector::check.
  void check(MatrixView rows, std::span<const double> timestamps = {}) const {
    if (detector_ == nullptr) return with_width_of(rows).check(rows, timestamps);
    detector_->check(rows, timestamps);
  }
  /// The same for rows that the schema encodes.
  void check(const CellRows& rows, std::span<const double> timestamps = {}) const {
    if (detector_ == nullptr) return with_width_of(rows).check(rows, timestamps);
    detector_->check(rows, timestamps);
  }

  /// See StreamingDetector::score.
  [[nodiscard]] Score score(RowView row) const { return started().score(row); }
  /// The same for a row that the schema encodes.
  [[nodiscard]] Score score(CellRow row) const { return started().score(row); }

  /// See StreamingDetector::explain.
  [[nodiscard]] std::vector<double> explain(RowView row) const { return started().explain(row); }
  /// The same for a row that the schema encodes; a value for each column that comes in.
  [[nodiscard]] std::vector<double> explain(CellRow row) const { return started().explain(row); }

  /// For every entry of `explain`, the column its feature comes from.
  [[nodiscard]] std::vector<std::size_t> feature_columns() const {
    return started().feature_columns();
  }

  /// The names of the features, in the order of `explain`.
  [[nodiscard]] std::vector<std::string> feature_names() const { return started().feature_names(); }

  /// See StreamingDetector::retrain.
  void retrain() { started().retrain(); }
  /// See StreamingDetector::retrain_due.
  [[nodiscard]] bool retrain_due() const noexcept {
    return detector_ != nullptr && detector_->retrain_due();
  }

  /// See StreamingDetector::training.
  [[nodiscard]] std::optional<AnyTraining> training() const {
    return detector_ == nullptr ? std::nullopt : detector_->training();
  }
  /// See StreamingDetector::publish. The memory of the model is shared.
  /// @throws ConfigurationError when it was trained on other features or on columns of other names;
  /// NotReadyError while the width is not known.
  bool publish(const TrainedModel& model) {
    iodetail::DetectorInterface& detector = started();
    model.require_same_features(backend_, config_);
    const std::vector<std::string>& columns = model.config().columns;
    require_parameter(columns.empty() || config_.columns.empty() || columns == config_.columns,
                      "columns", "those that the model was trained on, in their order");
    return detector.publish(model);
  }
  /// See StreamingDetector::abandon_training.
  bool abandon_training(std::string_view why,
                        std::optional<std::uint64_t> number = std::nullopt) noexcept {
    return detector_ != nullptr && detector_->abandon_training(why, number);
  }
  /// The active model, or none while there is none.
  [[nodiscard]] std::optional<TrainedModel> model() const {
    return detector_ == nullptr ? std::nullopt : detector_->model();
  }

  /// See StreamingDetector::wait.
  void wait() {
    if (detector_ != nullptr) detector_->wait();
  }
  /// See StreamingDetector::adopt.
  void adopt() noexcept {
    if (detector_ != nullptr) detector_->adopt();
  }
  /// See StreamingDetector::waiter.
  [[nodiscard]] std::function<void()> waiter() const {
    return detector_ == nullptr ? std::function<void()>{} : detector_->waiter();
  }
  /// Back to cold start; the settings stay, the width and names of the columns included.
  void reset() noexcept {
    if (detector_ != nullptr) detector_->reset();
  }

  /// What has happened so far: nothing, before the first row has told the columns.
  [[nodiscard]] Statistics stats() const {
    if (detector_ != nullptr) return detector_->stats();
    Statistics stats;
    stats.samples_until_ready = config_.min_samples;
    return stats;
  }

  /// Names the columns of a detector that has seen no row yet and has no model.
  /// @throws ConfigurationError if it has, and unless the names differ from each other
  /// and match the width, if that is set.
  void name_columns(std::vector<std::string> names) {
    const Statistics before = stats();
    require_parameter(before.total_processed + before.dropped == 0 && !before.is_ready(), "columns",
                      "named before the first row");
    AnyDetector named(*this);
    named.config_.columns = std::move(names);
    *this = named.with_width(named.config_.columns.size());
  }

  /// Identifier of the backend, for example `"ecod"`.
  [[nodiscard]] const std::string& backend() const noexcept { return backend_; }
  /// The settings; `n_features` is 0 until the width is known.
  [[nodiscard]] const StreamingConfig& config() const noexcept { return config_; }

  /// All settings as JSON, from which an equal detector can be made.
  [[nodiscard]] nlohmann::json settings() const {
    return settings_json(config_, backend_, complete_parameters(backend_, backend_parameters_));
  }

  /// What a snapshot of this type of detector is called.
  [[nodiscard]] static std::string snapshot_kind() { return "any"; }

  /// A detector that goes on where the one that was written stopped; see io/snapshot.hpp.
  template <class Archive>
  [[nodiscard]] static AnyDetector read(Archive& archive, std::shared_ptr<Executor> executor) {
    AnyDetector detector{std::move(executor)};
    std::string parameters;
    bool is_started = false;
    archive(detector.backend_, parameters, detector.config_, is_started);
    detector.backend_parameters_ =
        nlohmann::json::parse(parameters, nullptr, /*allow_exceptions=*/false);
    archive.require(detector.backend_parameters_.is_object(), "backend parameters");
    archive.require(is_started == (detector.config_.n_features > 0), "settings");
    if (is_started) {
      detector.start();
      detector.detector_->read(archive, detector.executor_);
      archive.require(detector.detector_->config() == detector.config_, "settings");
    } else {
      detector.check_settings();
    }
    return detector;
  }

  /// Writes the whole state; see io/snapshot.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    static_assert(!Archive::is_reading, "an AnyDetector is made by AnyDetector::read");
    // Of the settings only the backend's parameters are JSON: they hold no text of the user's,
    // whose names need not be valid UTF-8.
    archive(backend_, complete_parameters(backend_, backend_parameters_).dump(), config_,
            detector_ != nullptr);
    if (detector_ != nullptr) detector_->write(archive);
  }

 private:
  /// Something to restore into.
  explicit AnyDetector(std::shared_ptr<Executor> executor) : executor_(std::move(executor)) {}

  void read_settings(const nlohmann::json& settings) {
    JsonReader reader(settings);
    config_.visit_fields(reader);
    reader("backend", backend_);
    reader("backend_params", backend_parameters_);
    reader.require_all_known();
  }

  /// Throws what starting would, before the width is known.
  void check_settings() const {
    StreamingConfig checked = config_;
    checked.n_features = std::max<std::size_t>(config_.schema.size(), 1);
    for (const ColumnEncoding& column : config_.schema) checked.columns.push_back(column.column);
    freshet::validate(config_.schema);  // before what would be said of the columns
    (void)make(checked);
  }

  [[nodiscard]] std::unique_ptr<iodetail::DetectorInterface> make(
      const StreamingConfig& config) const {
    return with_backend(backend_, backend_parameters_, [&](auto backend) {
      return iodetail::make_detector(StreamingDetector(std::move(backend), config, executor_));
    });
  }

  void start() {
    detector_ = make(config_);
    config_ = detector_->config();  // a backend may have settled what was left to it
  }

  [[nodiscard]] AnyDetector with_width(std::size_t n_features) const {
    AnyDetector wide(*this);
    if (wide.config_.n_features == 0) wide.config_.n_features = n_features;
    // That a column of the schema is missing is now the rows' error, not the settings'.
    if (!config_.schema.empty()) {
      featuresdetail::require_schema_columns(config_.schema, wide.config_.column_names());
    }
    wide.start();
    return wide;
  }

  template <class Rows>
  [[nodiscard]] AnyDetector with_width_of(const Rows& rows) const {
    if (rows.empty()) throw to_error(RowFault{ErrorCode::batch_empty});
    if (rows.n_columns() == 0) throw to_error(RowFault{ErrorCode::width_mismatch, 0, 0, 1});
    return with_width(rows.n_columns());
  }

  template <class Row>
  Result process_first(Row row, std::optional<double> timestamp) {
    if (row.empty()) throw to_error(RowFault{ErrorCode::width_mismatch, 0, 0, 1});
    AnyDetector started = with_width(row.size());
    const Result result = started.detector_->process(row, timestamp);
    *this = std::move(started);
    return result;
  }

  template <class Rows>
  void process_first_many(const Rows& rows, std::span<Result> results,
                          std::span<const double> timestamps) {
    AnyDetector started = with_width_of(rows);
    started.detector_->process_many(rows, results, timestamps);
    *this = std::move(started);
  }

  [[nodiscard]] iodetail::DetectorInterface& started() const {
    if (detector_ != nullptr) return *detector_;
    throw NotReadyError(ErrorCode::not_ready, "the detector has not seen a row yet", "row",
                        "at least one row");
  }

  std::string backend_ = "ecod";
  nlohmann::json backend_parameters_ = nlohmann::json::object();
  StreamingConfig config_;
  std::shared_ptr<Executor> executor_;
  std::unique_ptr<iodetail::DetectorInterface> detector_;
};

}  // namespace freshet
