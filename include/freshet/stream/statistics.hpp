#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "freshet/core/result.hpp"

/// @file
/// What a detector tells about itself.

namespace freshet {

/// The state of a detector in numbers.
struct Statistics {
  /// Where the detector is in its life.
  Status status = Status::collecting;
  /// The active model's version, counted from 1; 0 while there is none.
  std::uint64_t model_version = 0;
  /// Rows in the window.
  std::size_t samples_collected = 0;
  /// Rows accepted since the start or the last reset.
  std::uint64_t total_processed = 0;
  /// Rows accepted since the last training began.
  std::size_t samples_since_retrain = 0;
  /// Rows still to come that cannot be scored: until the first training or, when the model was
  /// trained elsewhere, until the first full shingle.
  std::size_t samples_until_ready = 0;
  /// Rows left out because their timestamp was earlier than the one before.
  std::uint64_t dropped = 0;
  /// Trainings that failed, each of which left the model at hand in place.
  std::uint64_t failed_retrains = 0;
  /// Why the last failed training failed; empty when none has.
  std::string last_error;
  /// How long the active model took to train, in seconds; 0 while there is none.
  double last_fit_seconds = 0.0;
  /// The active model's threshold; NaN while there is none.
  double threshold = std::numeric_limits<double>::quiet_NaN();

  /// Whether there is a model to score with.
  [[nodiscard]] bool is_ready() const noexcept { return model_version > 0; }
};

}  // namespace freshet
