#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "freshet/core/error.hpp"
#include "freshet/core/percentile.hpp"

/// @file
/// A threshold that a given share of the training scores exceeds.

namespace freshet {

namespace thresholddetail {

/// Throws FitError unless there are scores and all of them are finite.
inline void require_finite_scores(std::span<const double> training_scores) {
  if (training_scores.empty()) {
    throw FitError(ErrorCode::fit_failed, "there are no training scores", "training_scores",
                   "at least one score");
  }
  if (!std::all_of(training_scores.begin(), training_scores.end(),
                   [](double score) { return std::isfinite(score); })) {
    throw FitError(ErrorCode::fit_failed, "a training score is NaN or infinite", "training_scores",
                   "finite scores");
  }
}

}  // namespace thresholddetail

/// The percentile of the training scores above which a score is an anomaly.
struct PercentileThreshold {
  double percent = 90.0;  ///< From 0 to 100.

  /// The percentile that a share `contamination` (0 < contamination <= 0.5) of the training scores
  /// exceeds.
  /// @throws ConfigurationError naming "contamination"
  [[nodiscard]] static PercentileThreshold of_contamination(double contamination) {
    require_parameter(contamination > 0.0 && contamination <= 0.5, "contamination",
                      "above 0 and at most 0.5");
    return {100.0 * (1.0 - contamination)};
  }

  /// The threshold: to the bit what `numpy.percentile(training_scores, percent)` computes.
  /// O(n · log n).
  /// @throws FitError when there are no scores or one is not finite, ConfigurationError naming
  /// "percent"
  [[nodiscard]] double fit(std::span<const double> training_scores) const {
    require_parameter(percent >= 0.0 && percent <= 100.0, "percent", "from 0 to 100");
    thresholddetail::require_finite_scores(training_scores);
    return percentile(training_scores, percent);
  }

  friend bool operator==(const PercentileThreshold&, const PercentileThreshold&) = default;
};

/// Whether `score` is beyond `threshold`; a score equal to it is not, nor is NaN.
[[nodiscard]] constexpr bool is_anomaly(double score, double threshold) noexcept {
  return score > threshold;
}

}  // namespace freshet
