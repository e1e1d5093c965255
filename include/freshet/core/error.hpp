#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

/// @file
/// What can go wrong, as types. Every error has a stable id (see docs/errors.md), names the field
/// it is about and says what was expected. The library never prints and never aborts.

namespace freshet {

/// The stable kinds of error. `id(code)` is the name that logs, Python and HTTP show.
enum class ErrorCode : std::uint8_t {
  parameter_out_of_range,
  parameter_unknown,
  parameter_type,
  backend_unknown,
  value_non_finite,
  value_out_of_range,
  width_mismatch,
  column_unknown,
  column_missing,
  column_duplicate,
  batch_empty,
  timestamp_out_of_order,
  timestamp_invalid,
  stream_unknown,
  not_ready,
  fit_failed,
  fit_diverged,
  fit_cancelled,
  snapshot_truncated,
  snapshot_corrupt,
  snapshot_version,
  snapshot_mismatch,
  file_missing,
  file_corrupt,
  file_hash,
  file_version,
  file_mismatch,
  file_unsafe,
  file_unwritable,
};

/// The stable name of an error kind, for example `"value_non_finite"`.
[[nodiscard]] constexpr std::string_view id(ErrorCode code) noexcept {
  constexpr std::array<std::string_view, 29> names{"parameter_out_of_range",
                                                   "parameter_unknown",
                                                   "parameter_type",
                                                   "backend_unknown",
                                                   "value_non_finite",
                                                   "value_out_of_range",
                                                   "width_mismatch",
                                                   "column_unknown",
                                                   "column_missing",
                                                   "column_duplicate",
                                                   "batch_empty",
                                                   "timestamp_out_of_order",
                                                   "timestamp_invalid",
                                                   "stream_unknown",
                                                   "not_ready",
                                                   "fit_failed",
                                                   "fit_diverged",
                                                   "fit_cancelled",
                                                   "snapshot_truncated",
                                                   "snapshot_corrupt",
                                                   "snapshot_version",
                                                   "snapshot_mismatch",
                                                   "file_missing",
                                                   "file_corrupt",
                                                   "file_hash",
                                                   "file_version",
                                                   "file_mismatch",
                                                   "file_unsafe",
                                                   "file_unwritable"};
  return names[static_cast<std::size_t>(code)];
}

/// Where in the input an error lies.
struct ErrorLocation {
  std::optional<std::size_t> row;     ///< Zero-based row of the batch.
  std::optional<std::size_t> column;  ///< Zero-based column.
};

/// The base of everything the library throws.
class Error : public std::runtime_error {
 public:
  /// An error of a kind; what is not known is left out.
  Error(ErrorCode code, const std::string& message, std::string field = {},
        std::string expected = {}, ErrorLocation location = {})
      : std::runtime_error(message),
        code_(code),
        field_(std::move(field)),
        expected_(std::move(expected)),
        location_(location) {}

  /// The kind, as a value to switch on.
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  /// The stable id, for example `"parameter_out_of_range"`.
  [[nodiscard]] std::string_view id() const noexcept { return freshet::id(code_); }
  /// The parameter or column that is wrong; empty when none is.
  [[nodiscard]] const std::string& field() const noexcept { return field_; }
  /// What would have been right, in words.
  [[nodiscard]] const std::string& expected() const noexcept { return expected_; }
  /// The row of the batch, counted from 0, if it is about one.
  [[nodiscard]] std::optional<std::size_t> row() const noexcept { return location_.row; }
  /// The column, counted from 0, if it is about one.
  [[nodiscard]] std::optional<std::size_t> column() const noexcept { return location_.column; }

 private:
  ErrorCode code_;
  std::string field_;
  std::string expected_;
  ErrorLocation location_;
};

/// A parameter is unknown, of the wrong type or out of range.
class ConfigurationError : public Error {
  using Error::Error;
};

/// A row or batch cannot be accepted; the detector is unchanged.
class DataError : public Error {
  using Error::Error;
};

/// A score or explanation was asked for before there is a model.
class NotReadyError : public Error {
  using Error::Error;
};

/// A model could not be trained on the rows given.
class FitError : public Error {
  using Error::Error;
};

/// Bytes that are no snapshot, or not one this version can read.
class SnapshotError : public Error {
  using Error::Error;
};

/// A model's file or bundle cannot be read or written: missing, damaged, not what it should hold.
class ModelFileError : public Error {
  using Error::Error;
};

/// A pool has no stream of that name.
class UnknownStreamError : public Error {
  using Error::Error;
};

/// Throws ConfigurationError for `field` unless `condition` holds.
inline void require_parameter(bool condition, std::string_view field, std::string_view expected) {
  if (condition) return;
  throw ConfigurationError(ErrorCode::parameter_out_of_range,
                           std::string(field) + " must be " + std::string(expected),
                           std::string(field), std::string(expected));
}

}  // namespace freshet
