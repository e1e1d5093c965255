#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <variant>

#include "freshet/core/validate.hpp"

/// @file
/// What a detector answers for a row.

namespace freshet {

/// Where a detector is in its life.
enum class Status : std::uint8_t {
  collecting,  ///< No model yet: rows are kept, not scored.
  ready,       ///< Rows are scored.
  retraining,  ///< Rows are scored while the next model is being trained.
};

/// The status as configurations, Python and HTTP spell it.
[[nodiscard]] constexpr std::string_view to_string(Status status) noexcept {
  switch (status) {
    case Status::collecting:
      return "collecting";
    case Status::ready:
      return "ready";
    case Status::retraining:
      return "retraining";
  }
  return "unknown";
}

/// The verdict on one row.
struct Result {
  /// Whether there was a model to score with. When false, `score` and `raw_score` are NaN and
  /// `is_anomaly` and `alarm` are false.
  bool scored = false;
  /// `score > threshold`.
  bool is_anomaly = false;
  /// Whether the row is worth waking someone; equals `is_anomaly` without an alarm policy.
  bool alarm = false;
  /// The status after this row.
  Status status = Status::collecting;
  /// The normalized score; its range depends on the normalization.
  double score = std::numeric_limits<double>::quiet_NaN();
  /// The backend's own score, larger is more abnormal.
  double raw_score = std::numeric_limits<double>::quiet_NaN();
  /// Rows still to come that cannot be scored: until the first training or, when the model was
  /// trained elsewhere, until the first full shingle.
  std::size_t samples_until_ready = 0;
  /// The version of the model that scored the row, counted from 1; 0 without one.
  std::uint64_t model_version = 0;
  /// The row's position in the stream since the start or the last reset, counted from 0.
  std::uint64_t index = 0;
};

/// A Result or the reason why the row was refused; neither throws nor allocates.
class Outcome {
 public:
  // NOLINTBEGIN(google-explicit-constructor): made by `return result;` and `return fault;`.
  /// A row that was accepted.
  Outcome(const Result& result) noexcept : value_(result) {}
  /// A row that was refused.
  Outcome(const RowFault& fault) noexcept : value_(fault) {}
  // NOLINTEND(google-explicit-constructor)

  /// Whether the row was accepted.
  [[nodiscard]] bool has_value() const noexcept { return value_.index() == 0; }
  /// The same, in conditions.
  explicit operator bool() const noexcept { return has_value(); }

  /// The verdict; only when `has_value()`.
  [[nodiscard]] const Result& operator*() const noexcept { return *std::get_if<Result>(&value_); }
  /// A member of the verdict; only when `has_value()`.
  [[nodiscard]] const Result* operator->() const noexcept { return std::get_if<Result>(&value_); }

  /// Why the row was refused; only when not `has_value()`.
  [[nodiscard]] const RowFault& error() const noexcept { return *std::get_if<RowFault>(&value_); }

 private:
  std::variant<Result, RowFault> value_;
};

}  // namespace freshet
