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
#include "freshet/io/backend_registry.hpp"
#include "freshet/io/detail/detector_interface.hpp"
#include "freshet/io/json_fields.hpp"
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
/// `backend_params`. When neither `columns` nor `n_features` is set, the first row that is accepted
/// decides the width. Otherwise as StreamingDetector, at the cost of one virtual call per row; what
/// depends on the type of the model (`generation()`) is not offered.
class AnyDetector {
 public:
  /// @param executor where background training runs; `default_executor()` when null.
  /// @throws ConfigurationError naming the field that is unknown, of the wrong type or out of
  /// range.
  explicit AnyDetector(const nlohmann::json& settings, std::shared_ptr<Executor> executor = nullptr)
      : executor_(std::move(executor)) {
    JsonReader reader(settings);
    config_.visit_fields(reader);
    reader("backend", backend_);
    reader("backend_params", backend_parameters_);
    reader.require_all_known();
    if (config_.n_features == 0) config_.n_features = config_.columns.size();
    if (config_.n_features > 0) {
      start();
    } else {
      check_settings();
    }
  }

  /// `detector` with its type forgotten. Its snapshots can be restored when `Backends` lists B.
  template <Backend B>
  explicit AnyDetector(StreamingDetector<B> detector)
      : backend_(B::name), config_(detector.config()) {
    JsonWriter parameters;
    B(detector.backend()).visit_fields(parameters);
    backend_parameters_ = parameters.object();
    detector_ = std::make_unique<iodetail::DetectorOf<B>>(std::move(detector));
  }

  AnyDetector(const AnyDetector& other)
      : backend_(other.backend_),
        backend_parameters_(other.backend_parameters_),
        config_(other.config_),
        executor_(other.executor_),
        detector_(other.detector_ ? other.detector_->clone() : nullptr) {}
  AnyDetector& operator=(const AnyDetector& other) {
    AnyDetector copy(other);
    *this = std::move(copy);
    return *this;
  }
  AnyDetector(AnyDetector&&) noexcept = default;
  AnyDetector& operator=(AnyDetector&&) noexcept = default;
  ~AnyDetector() = default;

  /// See StreamingDetector::process.
  Result process(RowView row, std::optional<double> timestamp = std::nullopt) {
    if (detector_ == nullptr) return process_first(row, timestamp);
    return detector_->process(row, timestamp);
  }

  /// See StreamingDetector::process_many.
  void process_many(MatrixView rows, std::span<Result> results,
                    std::span<const double> timestamps = {}) {
    if (detector_ == nullptr) {
      require_rows(rows, std::max<std::size_t>(rows.n_columns(), 1), config_.columns);
      AnyDetector started = with_width(rows.n_columns());
      started.detector_->process_many(rows, results, timestamps);
      *this = std::move(started);
      return;
    }
    detector_->process_many(rows, results, timestamps);
  }

  /// See StreamingDetector::score.
  [[nodiscard]] Score score(RowView row) const { return started().score(row); }

  /// See StreamingDetector::explain.
  [[nodiscard]] std::vector<double> explain(RowView row) const { return started().explain(row); }

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

  [[nodiscard]] Statistics stats() const {
    if (detector_ != nullptr) return detector_->stats();
    Statistics stats;
    stats.samples_until_ready = config_.min_samples;
    return stats;
  }

  /// Names the columns of a detector that has seen no row yet.
  /// @throws ConfigurationError after the first row, and unless the names differ from each other
  /// and match the width, if that is set.
  void name_columns(std::vector<std::string> names) {
    const Statistics before = stats();
    require_parameter(before.total_processed + before.dropped == 0, "columns",
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
    JsonWriter writer;
    StreamingConfig(config_).visit_fields(writer);
    writer("backend", backend_);
    writer("backend_params", complete_parameters(backend_, backend_parameters_));
    return writer.object();
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

  /// Throws what starting would, before the width is known.
  void check_settings() const {
    StreamingConfig checked = config_;
    checked.n_features = 1;
    (void)make(checked);
  }

  [[nodiscard]] std::unique_ptr<iodetail::DetectorInterface> make(
      const StreamingConfig& config) const {
    return with_backend(backend_, backend_parameters_, [&](auto backend) {
      return iodetail::make_detector(std::move(backend), config, executor_);
    });
  }

  void start() {
    detector_ = make(config_);
    config_ = detector_->config();  // a backend may have settled what was left to it
  }

  [[nodiscard]] AnyDetector with_width(std::size_t n_features) const {
    AnyDetector wide(*this);
    if (wide.config_.n_features == 0) wide.config_.n_features = n_features;
    wide.start();
    return wide;
  }

  Result process_first(RowView row, std::optional<double> timestamp) {
    const std::size_t width = std::max<std::size_t>(row.size(), 1);
    if (const auto fault = find_fault(row, width)) throw to_error(*fault);
    AnyDetector started = with_width(row.size());
    const Result result = started.detector_->process(row, timestamp);
    *this = std::move(started);
    return result;
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
