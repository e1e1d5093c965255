#pragma once

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
#include "freshet/features/cell.hpp"
#include "freshet/io/archive.hpp"
#include "freshet/io/trained_model.hpp"
#include "freshet/stream/config.hpp"
#include "freshet/stream/statistics.hpp"
#include "freshet/stream/streaming_detector.hpp"

/// @file
/// What all streaming detectors have in common, behind one virtual interface.

namespace freshet::iodetail {

/// The functions of StreamingDetector whatever its backend.
class DetectorInterface {
 public:
  DetectorInterface() = default;
  DetectorInterface(const DetectorInterface&) = default;
  DetectorInterface& operator=(const DetectorInterface&) = delete;
  virtual ~DetectorInterface() = default;

  [[nodiscard]] virtual std::unique_ptr<DetectorInterface> clone() const = 0;
  virtual Result process(RowView row, std::optional<double> timestamp) = 0;
  virtual Result process(CellRow row, std::optional<double> timestamp) = 0;
  virtual void process_many(MatrixView rows, std::span<Result> results,
                            std::span<const double> timestamps) = 0;
  virtual void process_many(const CellRows& rows, std::span<Result> results,
                            std::span<const double> timestamps) = 0;
  virtual void check(MatrixView rows, std::span<const double> timestamps) const = 0;
  virtual void check(const CellRows& rows, std::span<const double> timestamps) const = 0;
  [[nodiscard]] virtual Score score(RowView row) const = 0;
  [[nodiscard]] virtual Score score(CellRow row) const = 0;
  [[nodiscard]] virtual std::vector<double> explain(RowView row) const = 0;
  [[nodiscard]] virtual std::vector<double> explain(CellRow row) const = 0;
  [[nodiscard]] virtual std::vector<std::size_t> feature_columns() const = 0;
  [[nodiscard]] virtual std::vector<std::string> feature_names() const = 0;
  virtual void retrain() = 0;
  [[nodiscard]] virtual bool retrain_due() const noexcept = 0;
  [[nodiscard]] virtual std::optional<AnyTraining> training() const = 0;
  virtual bool publish(const TrainedModel& model) = 0;
  virtual bool abandon_training(std::string_view why,
                                std::optional<std::uint64_t> number) noexcept = 0;
  [[nodiscard]] virtual std::optional<TrainedModel> model() const = 0;
  virtual void wait() = 0;
  virtual void adopt() noexcept = 0;
  [[nodiscard]] virtual std::function<void()> waiter() const = 0;
  virtual void reset() noexcept = 0;
  [[nodiscard]] virtual Statistics stats() const = 0;
  [[nodiscard]] virtual const StreamingConfig& config() const noexcept = 0;
  virtual void write(ArchiveWriter& archive) = 0;
  virtual void read(ArchiveReader& archive, std::shared_ptr<Executor> executor) = 0;
};

/// That interface over the detector of one backend.
template <Backend B>
class DetectorOf final : public DetectorInterface {
 public:
  explicit DetectorOf(StreamingDetector<B> detector) : detector_(std::move(detector)) {}

  [[nodiscard]] std::unique_ptr<DetectorInterface> clone() const override {
    return std::make_unique<DetectorOf>(detector_);
  }
  Result process(RowView row, std::optional<double> timestamp) override {
    return detector_.process(row, timestamp);
  }
  Result process(CellRow row, std::optional<double> timestamp) override {
    return detector_.process(row, timestamp);
  }
  void process_many(MatrixView rows, std::span<Result> results,
                    std::span<const double> timestamps) override {
    detector_.process_many(rows, results, timestamps);
  }
  void process_many(const CellRows& rows, std::span<Result> results,
                    std::span<const double> timestamps) override {
    detector_.process_many(rows, results, timestamps);
  }
  void check(MatrixView rows, std::span<const double> timestamps) const override {
    detector_.check(rows, timestamps);
  }
  void check(const CellRows& rows, std::span<const double> timestamps) const override {
    detector_.check(rows, timestamps);
  }
  [[nodiscard]] Score score(RowView row) const override { return detector_.score(row); }
  [[nodiscard]] Score score(CellRow row) const override { return detector_.score(row); }
  [[nodiscard]] std::vector<double> explain(RowView row) const override {
    return detector_.explain(row);
  }
  [[nodiscard]] std::vector<double> explain(CellRow row) const override {
    return detector_.explain(row);
  }
  [[nodiscard]] std::vector<std::size_t> feature_columns() const override {
    std::vector<std::size_t> columns(detector_.features().n_features());
    for (std::size_t i = 0; i < columns.size(); ++i) columns[i] = detector_.column_of(i);
    return columns;
  }
  [[nodiscard]] std::vector<std::string> feature_names() const override {
    return detector_.feature_names();
  }
  void retrain() override { detector_.retrain(); }
  [[nodiscard]] bool retrain_due() const noexcept override { return detector_.retrain_due(); }
  [[nodiscard]] std::optional<AnyTraining> training() const override {
    if (auto training = detector_.training()) return AnyTraining(std::move(training));
    return std::nullopt;
  }
  /// @param model of this backend
  bool publish(const TrainedModel& model) override {
    return detector_.publish(model.generation<B>());
  }
  bool abandon_training(std::string_view why,
                        std::optional<std::uint64_t> number) noexcept override {
    return detector_.abandon_training(why, number);
  }
  [[nodiscard]] std::optional<TrainedModel> model() const override {
    auto generation = detector_.generation();
    if (generation == nullptr) return std::nullopt;
    return TrainedModel(detector_.backend(), detector_.config(), std::move(generation));
  }
  void wait() override { detector_.wait(); }
  void adopt() noexcept override { detector_.adopt(); }
  [[nodiscard]] std::function<void()> waiter() const override { return detector_.waiter(); }
  void reset() noexcept override { detector_.reset(); }
  [[nodiscard]] Statistics stats() const override { return detector_.stats(); }
  [[nodiscard]] const StreamingConfig& config() const noexcept override {
    return detector_.config();
  }
  void write(ArchiveWriter& archive) override { archive(detector_); }
  void read(ArchiveReader& archive, std::shared_ptr<Executor> executor) override {
    detector_ = StreamingDetector<B>::read(archive, std::move(executor));
  }

 private:
  StreamingDetector<B> detector_;
};

/// `detector` with its type forgotten.
template <Backend B>
[[nodiscard]] std::unique_ptr<DetectorInterface> make_detector(StreamingDetector<B> detector) {
  return std::make_unique<DetectorOf<B>>(std::move(detector));
}

}  // namespace freshet::iodetail
