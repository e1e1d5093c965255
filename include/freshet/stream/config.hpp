#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/features/encoding.hpp"
#include "freshet/scaling/scaler.hpp"
#include "freshet/threshold/normalizer.hpp"

/// @file
/// The settings of a streaming detector.

namespace freshet {

/// When and where models are trained.
enum class Retrain : std::uint8_t {
  /// At the row that makes it due, on the calling thread: fully deterministic.
  inline_,
  /// On an executor while scoring goes on with the model at hand; the first model, without which
  /// nothing can be scored, on the calling thread.
  background,
  /// Only when the host calls `retrain()`, the first one too.
  manual,
  /// Whenever and wherever the host runs what `training()` hands it, until the host publishes the
  /// model; the first one on the calling thread. Fully deterministic, given the rows between which
  /// the host publishes.
  hosted,
};

/// The name used in configurations: "inline", "background", "manual" or "hosted".
[[nodiscard]] constexpr std::string_view to_string(Retrain retrain) noexcept {
  switch (retrain) {
    case Retrain::inline_:
      return "inline";
    case Retrain::manual:
      return "manual";
    case Retrain::hosted:
      return "hosted";
    case Retrain::background:
      break;
  }
  return "background";
}

/// How rows whose timestamp is earlier than the one before are treated.
enum class OutOfOrder : std::uint8_t {
  error,  ///< Refused.
  drop,   ///< Left out and counted; its Result is not scored and has the next row's index.
};

/// The name used in configurations: "error" or "drop".
[[nodiscard]] constexpr std::string_view to_string(OutOfOrder out_of_order) noexcept {
  return out_of_order == OutOfOrder::drop ? "drop" : "error";
}

/// The settings of a StreamingDetector. `n_features` is required, the rest has defaults.
struct StreamingConfig {
  /// Values per incoming row, at least 1.
  std::size_t n_features = 0;
  /// Rows before the first training, at least 2.
  std::size_t min_samples = 50;
  /// Rows between the beginnings of two trainings, at least 1.
  std::size_t retrain_interval = 100;
  /// Rows kept for training, at least `min_samples`.
  std::size_t window_size = 1000;
  /// The share of anomalies expected among the training rows, 0 < contamination <= 0.5.
  double contamination = 0.1;
  /// Rows that score above it are anomalies; by default the normalization's own
  /// (0.5; 2.0 for zscore; the `1 - contamination` percentile of the training scores for raw).
  std::optional<double> threshold = std::nullopt;
  /// How raw scores become scores.
  Normalization normalization = Normalization::calibrated;
  /// Widths, in rows, of the rolling mean, std, min and max added for every column.
  std::vector<std::size_t> rolling_windows = {};
  /// Distances, in rows, of the earlier values added for every column.
  std::vector<std::size_t> lag_periods = {};
  /// Consecutive rows that are scored together as one vector; 1 scores single rows.
  std::size_t shingle = 1;
  /// How features are scaled before the backend sees them.
  Scaling scaler = Scaling::none;
  /// When and where models are trained.
  Retrain retrain = Retrain::background;
  /// How rows that come late are treated.
  OutOfOrder out_of_order = OutOfOrder::error;
  /// The seed of every training.
  Seed seed = 0;
  /// The columns' names; none, or `n_features` different ones.
  std::vector<std::string> columns = {};
  /// How columns that are no numbers become numbers, and which; see Encoder. Features are made of
  /// all that it yields.
  Schema schema = {};

  /// The columns' names; f0, f1, … when they have none.
  [[nodiscard]] std::vector<std::string> column_names() const {
    std::vector<std::string> names = columns;
    for (std::size_t i = names.size(); i < n_features; ++i) {
      names.emplace_back("f").append(std::to_string(i));
    }
    return names;
  }

  /// Throws ConfigurationError for the first setting that is out of its range.
  void validate() const {
    require_parameter(n_features >= 1, "n_features", "at least 1");
    require_parameter(min_samples >= 2, "min_samples", "at least 2");
    require_parameter(retrain_interval >= 1, "retrain_interval", "at least 1");
    require_parameter(window_size >= min_samples, "window_size", "at least min_samples");
    require_parameter(contamination > 0.0 && contamination <= 0.5, "contamination",
                      "above 0 and at most 0.5");
    require_parameter(!threshold || std::isfinite(*threshold), "threshold", "a finite number");
    require_parameter(shingle >= 1 && shingle < min_samples, "shingle",
                      "at least 1 and less than min_samples");
    require_parameter(columns.empty() || columns.size() == n_features, "columns",
                      "one name for each of the n_features columns");
    require_parameter(std::set(columns.begin(), columns.end()).size() == columns.size(), "columns",
                      "names that differ from each other");
    freshet::validate(schema);
    if (schema.empty()) return;
    // Then there is something to be kept for each of them.
    require_parameter(n_features <= 65536, "n_features", "at most 65536 with a schema");
    const ColumnEncoding* missing = find_missing(schema, column_names());
    if (missing != nullptr) require_parameter(false, missing->field(), "of one of the columns");
  }

  friend bool operator==(const StreamingConfig&, const StreamingConfig&) = default;

  /// Calls `visitor(name, setting)` for every setting: the one list from which JSON, snapshots and
  /// Python take the names.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("n_features", n_features);
    visitor("columns", columns);
    visitor("schema", schema);
    visitor("min_samples", min_samples);
    visitor("retrain_interval", retrain_interval);
    visitor("window_size", window_size);
    visitor("contamination", contamination);
    visitor("threshold", threshold);
    visitor("normalization", normalization);
    visitor("rolling_windows", rolling_windows);
    visitor("lag_periods", lag_periods);
    visitor("shingle", shingle);
    visitor("scaler", scaler);
    visitor("retrain", retrain);
    visitor("out_of_order", out_of_order);
    visitor("seed", seed);
  }

  /// Reads or writes the settings; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    visit_fields([&archive](const char* /*name*/, auto& setting) { archive(setting); });
    archive.require(normalization <= Normalization::raw && scaler <= Scaling::robust &&
                        retrain <= Retrain::hosted && out_of_order <= OutOfOrder::drop,
                    "settings");
  }
};

}  // namespace freshet
