#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "freshet/core/columns.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/result.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/stream/generation.hpp"
#include "freshet/stream/statistics.hpp"

/// @file
/// A detector whose rows may carry names, still without Python.

namespace freshet {
class AnyDetector;
class AnyTraining;
class TrainedModel;
}  // namespace freshet

namespace freshet::python {

/// A cell that is more than its number: a text, which is NaN as a number, a flag, or an integer
/// with more digits than a double has.
struct MarkedCell {
  std::size_t row;
  std::size_t column;
  Cell cell;
};

/// One row; `names` is empty when the values come in the order of the columns.
struct Row {
  RowView values;
  std::span<const std::string_view> names;
  std::span<const MarkedCell> marked;
};

/// Some rows; `names` is empty when the columns come in order. Marked cells are ordered by row.
struct Batch {
  MatrixView rows;
  std::span<const std::string> names;
  std::span<const MarkedCell> marked;
};

/// Throws DataError for a text among the cells of rows that are to be numbers.
void require_numbers(const Row& row);
void require_numbers(const Batch& batch);

/// What each feature adds to the raw score of a row, and what the row scores.
struct ExplainedScore {
  std::vector<double> contributions;
  Score score;
};

/// An AnyDetector that takes rows by name: the names of the first row become the columns unless the
/// settings have some, and later rows are put in their order. Without a schema rows are numbers,
/// and flags count as 0 and 1. One thread at a time.
///
/// Columns without names are called f0, f1, … once there are rows.
class Session {
 public:
  /// @throws ConfigurationError naming the setting.
  explicit Session(const nlohmann::json& settings);
  /// @throws SnapshotError
  [[nodiscard]] static Session restore(std::span<const std::byte> bytes);
  /// Begins with a model; `settings` are those that are to be different from the model's.
  /// @throws ConfigurationError naming the setting.
  Session(const TrainedModel& model, const nlohmann::json& settings);
  Session(const Session& other);
  Session& operator=(const Session& other);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  Result process(const Row& row, std::optional<double> timestamp);
  void process_many(const Batch& batch, std::span<Result> results,
                    std::span<const double> timestamps);
  /// Throws what `process_many` would, and changes nothing.
  void check(const Batch& batch, std::span<const double> timestamps);
  [[nodiscard]] Score score(const Row& row);
  [[nodiscard]] ExplainedScore explain(const Row& row);

  /// Whether texts and flags are encoded. Never changes.
  [[nodiscard]] bool has_schema() const noexcept { return has_schema_; }
  /// Whether `process` may train on the calling thread, which takes long.
  [[nodiscard]] bool may_train() const noexcept { return trains_inline_ || !is_ready_; }

  void retrain();
  void reset() noexcept;
  /// See AnyDetector::training, AnyDetector::publish and AnyDetector::abandon_training.
  [[nodiscard]] std::optional<AnyTraining> training() const;
  bool publish(const TrainedModel& model);
  bool abandon_training(std::string_view why, std::optional<std::uint64_t> number) noexcept;
  /// See AnyDetector::adopt and AnyDetector::waiter.
  void adopt() noexcept;
  [[nodiscard]] std::function<void()> waiter() const;

  [[nodiscard]] Statistics stats() const;
  [[nodiscard]] nlohmann::json settings() const;
  /// Empty until known.
  [[nodiscard]] std::vector<std::string> columns();
  /// Empty until the width is known.
  [[nodiscard]] std::vector<std::string> feature_names() const;
  /// For every feature the column it comes from.
  [[nodiscard]] std::vector<std::size_t> feature_columns() const;
  [[nodiscard]] std::vector<std::byte> snapshot();

 private:
  explicit Session(std::unique_ptr<AnyDetector> detector);

  /// The columns' names, found out when needed; null while the next row may still name them.
  [[nodiscard]] const Columns* known_columns();
  /// The places of the columns of given names; empty when they come in order, or have no names.
  template <class Names>
  [[nodiscard]] std::vector<std::size_t> order_of(const Names& names);
  [[nodiscard]] RowView arranged(const Row& row);
  [[nodiscard]] CellRow arranged_cells(const Row& row);
  /// Calls `use(row)` with the row in the order of the columns, as numbers or as cells.
  template <class Use>
  auto with_arranged(const Row& row, const Use& use);
  /// Calls `use(detector, rows)` with the rows in the order of the detector's columns, as numbers
  /// or as cells, and with a copy that has got their names when the detector has none yet.
  template <class Use>
  void with_arranged(const Batch& batch, const Use& use);
  /// A copy whose columns have these names.
  template <class Names>
  [[nodiscard]] AnyDetector named(const Names& names) const;

  std::unique_ptr<AnyDetector> detector_;
  std::optional<Columns> columns_;
  std::vector<double> arranged_;
  std::vector<Cell> cells_;
  bool has_schema_;
  bool trains_inline_;
  bool is_ready_ = false;
};

}  // namespace freshet::python
