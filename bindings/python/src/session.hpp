#pragma once

#include <cstddef>
#include <filesystem>
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
#include "freshet/stream/generation.hpp"
#include "freshet/stream/statistics.hpp"

/// @file
/// A detector whose rows may carry names, still without Python.

namespace freshet {
class AnyDetector;
}

namespace freshet::python {

/// One row; `names` is empty when the values come in the order of the columns.
struct Row {
  RowView values;
  std::span<const std::string_view> names;
};

/// Some rows; `names` is empty when the columns come in order.
struct Batch {
  MatrixView rows;
  std::span<const std::string> names;
};

/// What each feature adds to the raw score of a row, and what the row scores.
struct ExplainedScore {
  std::vector<double> contributions;
  Score score;
};

/// An AnyDetector that takes rows by name: the names of the first row become the columns unless the
/// settings have some, and later rows are put in their order. One thread at a time.
///
/// Columns without names are called f0, f1, … once there are rows.
class Session {
 public:
  /// @throws ConfigurationError naming the setting.
  explicit Session(const nlohmann::json& settings);
  /// @throws SnapshotError
  [[nodiscard]] static Session restore(std::span<const std::byte> bytes);
  /// Begins with a bundle's model; `settings` may hold what StreamingConfig has.
  /// @throws ModelFileError, ConfigurationError
  [[nodiscard]] static Session from_bundle(const std::filesystem::path& path,
                                           const nlohmann::json& settings);
  Session(const Session& other);
  Session& operator=(const Session& other);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  Result process(const Row& row, std::optional<double> timestamp);
  void process_many(const Batch& batch, std::span<Result> results,
                    std::span<const double> timestamps);
  [[nodiscard]] Score score(const Row& row);
  [[nodiscard]] ExplainedScore explain(const Row& row);

  /// Whether `process` may train on the calling thread, which takes long.
  [[nodiscard]] bool may_train() const noexcept { return trains_inline_ || !is_ready_; }

  void retrain();
  void reset() noexcept;
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
  [[nodiscard]] RowView arranged(const Row& row);
  template <class Names, class Use>
  void name_columns(const Names& names, const Use& use);

  std::unique_ptr<AnyDetector> detector_;
  std::optional<Columns> columns_;
  std::vector<double> arranged_;
  bool trains_inline_;
  bool is_ready_ = false;
};

}  // namespace freshet::python
