#pragma once

#include <cstddef>

/// @file
/// The arithmetic of rolling statistics: aggregates of a run of values that can take one more value
/// or be merged, and from which nothing is ever subtracted.

namespace freshet::featuresdetail {

/// Mean, sum of squared deviations, minimum and maximum of a run of values. `mean` is relative to
/// an anchor, a value of the same run: for values around 1e9 it keeps the digits that matter.
struct RunningMoments {
  double mean;
  double m2;
  double low;
  double high;

  /// The aggregate of one value, which is also the anchor.
  static RunningMoments of(double value) noexcept { return {0.0, 0.0, value, value}; }

  /// The aggregate whose fields lie `stride` values apart, as `store` leaves them.
  static RunningMoments load(const double* fields, std::size_t stride) noexcept {
    return {fields[0], fields[stride], fields[2 * stride], fields[3 * stride]};
  }

  void store(double* fields, std::size_t stride) const noexcept {
    fields[0] = mean;
    fields[stride] = m2;
    fields[2 * stride] = low;
    fields[3 * stride] = high;
  }

  /// Takes one more value (Welford 1962); `reciprocal` is 1 / the new number of values.
  void add(double value, double anchor, double reciprocal) noexcept {
    const double distance = value - anchor;
    const double delta = distance - mean;
    mean += delta * reciprocal;
    m2 += delta * (distance - mean);
    low = value < low ? value : low;
    high = value > high ? value : high;
  }

  /// Takes all values of `other` (Chan, Golub and LeVeque 1979), whose anchor may differ.
  /// @param offset  the anchor of `other` minus this one's
  /// @param share   the part of all values that are `other`'s: n_other / (n + n_other)
  /// @param weight  n · n_other / (n + n_other)
  void merge(const RunningMoments& other, double offset, double share, double weight) noexcept {
    const double delta = offset + (other.mean - mean);
    mean += delta * share;
    m2 += other.m2 + delta * delta * weight;
    low = other.low < low ? other.low : low;
    high = other.high > high ? other.high : high;
  }
};

}  // namespace freshet::featuresdetail
