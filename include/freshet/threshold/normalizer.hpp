#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/percentile.hpp"
#include "freshet/threshold/percentile.hpp"

/// @file
/// From a backend's raw scores to scores that mean the same for every backend.

namespace freshet {

/// How raw scores become scores.
enum class Normalization : std::uint8_t {
  /// Logistic, 0.5 at the `1 - contamination` percentile of the training scores and 0.25 at their
  /// median.
  calibrated,
  /// Logistic of (raw - mean) / standard deviation of the training scores.
  standardization,
  /// (raw - mean) / standard deviation of the training scores.
  zscore,
  /// The raw score itself.
  raw,
};

/// The name used in configurations: "calibrated", "standardization", "zscore" or "raw".
[[nodiscard]] constexpr std::string_view to_string(Normalization normalization) noexcept {
  switch (normalization) {
    case Normalization::standardization:
      return "standardization";
    case Normalization::zscore:
      return "zscore";
    case Normalization::raw:
      return "raw";
    case Normalization::calibrated:
      break;
  }
  return "calibrated";
}

/// A normalization fitted to training scores: a non-decreasing function of the raw score.
/// Immutable, a value type.
///
/// Calibrated scores agree with the percentile they are made from: with p the
/// `1 - contamination` percentile of the training scores, `score(p)` is exactly 0.5, and a raw
/// score is above p if and only if its score is above 0.5. Where p and the median coincide, the
/// distance that takes a score from 0.5 to 0.25 is that from median to maximum, else that from
/// minimum to maximum; when all training scores are equal, those not above them score 0.25 and all
/// others 1.
class Normalizer {
 public:
  /// Raw scores unchanged, threshold 0; something to restore into.
  Normalizer() = default;

  /// @param normalization    which function
  /// @param training_scores  at least one, all finite, in any order
  /// @param contamination    the share of anomalies expected among them, 0 < contamination <= 0.5
  /// @throws FitError when there are no scores, one is not finite, or they are so far apart that
  /// differences overflow; ConfigurationError naming "contamination". O(n · log n).
  [[nodiscard]] static Normalizer fit(Normalization normalization,
                                      std::span<const double> training_scores,
                                      double contamination) {
    const auto cutoff = PercentileThreshold::of_contamination(contamination);
    thresholddetail::require_finite_scores(training_scores);
    Normalizer fitted;
    fitted.normalization_ = normalization;
    switch (normalization) {
      case Normalization::calibrated:
        fitted.calibrate(training_scores, cutoff.percent);
        break;
      case Normalization::standardization:
      case Normalization::zscore:
        fitted.standardize(training_scores);
        break;
      case Normalization::raw:
        fitted.center_ = percentile(training_scores, cutoff.percent);
        break;
    }
    if (!std::isfinite(fitted.center_)) {
      throw FitError(ErrorCode::fit_failed, "the training scores are too far apart",
                     "training_scores", "scores whose differences are finite");
    }
    return fitted;
  }

  /// The kind of normalization.
  [[nodiscard]] Normalization normalization() const noexcept { return normalization_; }

  /// The score of a raw score: from 0 to 1 for calibrated and standardization, in standard
  /// deviations for zscore. Never NaN unless `raw` is. O(1).
  [[nodiscard]] double operator()(double raw) const noexcept {
    switch (normalization_) {
      case Normalization::calibrated:
        return calibrated(raw);
      case Normalization::standardization:
        return logistic(standardized(raw));
      case Normalization::zscore:
        return standardized(raw);
      case Normalization::raw:
        break;
    }
    return raw;
  }

  /// The threshold to use when none is given: 0.5 for calibrated and standardization, 2 for zscore,
  /// for raw the `1 - contamination` percentile of the training scores.
  [[nodiscard]] double default_threshold() const noexcept {
    switch (normalization_) {
      case Normalization::calibrated:
      case Normalization::standardization:
        return 0.5;
      case Normalization::zscore:
        return 2.0;
      case Normalization::raw:
        break;
    }
    return center_;
  }

  friend bool operator==(const Normalizer&, const Normalizer&) = default;

  /// Reads or writes the normalizer; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(normalization_, center_, scale_);
    archive.require(normalization_ <= Normalization::raw && std::isfinite(center_) &&
                        std::isfinite(scale_) && scale_ >= 0.0 &&
                        (scale_ > 0.0 || normalization_ == Normalization::calibrated),
                    "normalizer");
  }

 private:
  static constexpr double largest = std::numeric_limits<double>::max();
  static constexpr double log_of_3 = 1.0986122886681098;  // logistic(-log 3) is 1/4

  void calibrate(std::span<const double> training_scores, double percent) {
    std::vector<double> sorted(training_scores.begin(), training_scores.end());
    std::sort(sorted.begin(), sorted.end());
    const double median = percentile_of_sorted(sorted, 50.0);
    center_ = percentile_of_sorted(sorted, percent);
    scale_ = center_ - median;
    if (!(scale_ > 0.0)) scale_ = sorted.back() - median;
    if (!(scale_ > 0.0)) scale_ = sorted.back() - sorted.front();
    scale_ = std::clamp(scale_, 0.0, largest);
  }

  void standardize(std::span<const double> training_scores) {
    // Huge scores are divided by the largest first, so that their squares do not overflow.
    double unit = 1.0;
    for (const double score : training_scores) unit = std::max(unit, std::abs(score) / 1e100);
    const auto n = static_cast<double>(training_scores.size());
    const double first = training_scores.front() / unit;
    double sum = 0.0;
    for (const double score : training_scores) sum += score / unit - first;
    const double mean = first + sum / n;
    double squares = 0.0;
    for (const double score : training_scores) {
      const double deviation = score / unit - mean;
      squares += deviation * deviation;
    }
    center_ = std::clamp(mean * unit, -largest, largest);
    scale_ = std::min(std::sqrt(squares / n) * unit, largest);
    if (scale_ == 0.0) scale_ = 1.0;
  }

  /// raw - center, kept finite so that the quotient of two huge numbers is never NaN.
  [[nodiscard]] double centered(double raw) const noexcept {
    return std::clamp(raw - center_, -largest, largest);
  }

  [[nodiscard]] double standardized(double raw) const noexcept { return centered(raw) / scale_; }

  [[nodiscard]] double calibrated(double raw) const noexcept {
    // The least double above 0.5: what is above the cutoff must not be rounded down onto it.
    constexpr double above_half = 0.5 + 0x1.0p-53;
    if (scale_ == 0.0) return raw > center_ ? 1.0 : 0.25;
    const double score = logistic(log_of_3 * (centered(raw) / scale_));
    return raw > center_ ? std::max(score, above_half) : score;
  }

  /// 1 / (1 + e⁻ᶻ); e⁻ᶻ may be infinite, then it is 0.
  [[nodiscard]] static double logistic(double z) noexcept { return 1.0 / (1.0 + std::exp(-z)); }

  Normalization normalization_ = Normalization::raw;
  double center_ = 0.0;  // what is subtracted; for raw the cutoff
  double scale_ = 1.0;   // what is divided by; 0 when all training scores were the same
};

}  // namespace freshet
