#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/features/detail/periods.hpp"
#include "freshet/features/detail/running_moments.hpp"

/// @file
/// Rolling mean, standard deviation, minimum and maximum that neither slow down with the window nor
/// drift with the length of the stream.

namespace freshet {

/// For every column and every window `w`: mean, sample standard deviation (divisor n − 1; 0 for a
/// single value), minimum and maximum of the last `w` values including the newest, with however
/// many there are while fewer than `w` have come. Units are those of the column.
///
/// Output order: column by column, for each column the windows in the given order, for each window
/// mean, standard deviation, minimum, maximum.
///
/// The rows are cut into blocks of `w` (van Herk 1992; Gil and Werman 1993). A window then is the
/// end of one block and the beginning of the next, and both are aggregates that only ever grew:
/// the suffix aggregates are made when a block is complete, the prefix aggregate goes on with every
/// row. As no leaving value is subtracted, errors do not pile up: after any number of rows, and
/// right after an outlier has left, the results are as good as those of a two-pass computation.
/// A window of equal values has a standard deviation of exactly 0. Squared differences below
/// 1e-308 count as none.
///
/// Cost: O(columns) per row and window, amortised: the row that completes a block of `w` costs
/// O(w · columns). No allocation after construction. Memory: 32 bytes per column and row of each
/// window. A value type: a copy goes on independently.
class RollingFeatures {
 public:
  /// Mean, standard deviation, minimum, maximum.
  static constexpr std::size_t n_statistics = 4;

  /// No columns and no features; something to restore into.
  RollingFeatures() = default;

  /// @param n_columns  the width of the rows, at least 1
  /// @param windows    the lengths in rows, each from 1 to 2²⁴, no two equal; none is allowed
  /// @throws ConfigurationError naming "n_columns" or "rolling_windows"
  RollingFeatures(std::size_t n_columns, std::vector<std::size_t> windows)
      : n_columns_(n_columns), windows_(std::move(windows)) {
    featuresdetail::require_valid(n_columns_, windows_, "rolling_windows");
    positions_.resize(windows_.size());
    state_.resize(state_rows() * n_columns_);
    reciprocals_ = featuresdetail::reciprocals(windows_);
  }

  /// The values of a row.
  [[nodiscard]] std::size_t n_columns() const noexcept { return n_columns_; }
  /// The statistics: four per column and window.
  [[nodiscard]] std::size_t n_features() const noexcept {
    return n_statistics * n_columns_ * windows_.size();
  }
  /// The widths of the windows, in rows.
  [[nodiscard]] std::span<const std::size_t> windows() const noexcept { return windows_; }

  /// Writes the features that `row` would have if it came next; nothing changes.
  /// @param row  `n_columns()` finite values of at most `max_magnitude`
  /// @param out  room for `n_features()` values, apart from `row`
  void transform(RowView row, std::span<double> out) const noexcept {
    assert(row.size() == n_columns_ && out.size() == n_features());
    const double* state = state_.data();
    for (std::size_t k = 0; k < windows_.size(); ++k) {
      transform_window(state, Place(windows_[k], positions_[k], reciprocals_), row.data(),
                       out.data() + n_statistics * k);
      state += state_size(windows_[k]);
    }
  }

  /// Appends `row` (`n_columns()` finite values of at most `max_magnitude`).
  void update(RowView row) noexcept {
    assert(row.size() == n_columns_);
    double* state = state_.data();
    for (std::size_t k = 0; k < windows_.size(); ++k) {
      const std::size_t window = windows_[k];
      const std::size_t filled = rows_in_block(window, positions_[k]);
      append(state, filled, row.data());
      if (filled + 1 == window) close_block(state, window);
      if (++positions_[k] == 2 * window) positions_[k] = window;
      state += state_size(window);
    }
  }

  /// Forgets every row; what was configured stays.
  void reset() noexcept {
    std::fill(positions_.begin(), positions_.end(), std::size_t{0});
    std::fill(state_.begin(), state_.end(), 0.0);
  }

  friend bool operator==(const RollingFeatures&, const RollingFeatures&) = default;

  /// Reads or writes everything; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(n_columns_, windows_, positions_, state_);
    archive.require(is_sound(), "rolling features");
    if constexpr (Archive::is_reading) reciprocals_ = featuresdetail::reciprocals(windows_);
  }

 private:
  using RunningMoments = featuresdetail::RunningMoments;

  // The state of one window, each row of it with one value per column:
  //   prefix of the current block: mean, m2, low, high, anchor (its first value); suffix anchor
  //   (the last value of the previous block); then per row i of a block mean, m2, low, high.
  // Row i holds the aggregate of rows i.. of the previous block until the current block comes to
  // its own row i; from then on, in place of the mean, the value of that row.
  static constexpr std::size_t anchor_row = n_statistics;
  static constexpr std::size_t suffix_anchor_row = n_statistics + 1;
  static constexpr std::size_t header_rows = n_statistics + 2;
  // More than any sum of squared deviations of 2²⁴ values can be.
  static constexpr double largest_m2 = 1e210;

  /// Where the next row stands in its window, and the factors that depend on nothing else.
  struct Place {
    Place(std::size_t window, std::size_t position, const std::vector<double>& reciprocals) noexcept
        : filled(rows_in_block(window, position)) {
      const std::size_t n_prefix = filled + 1;
      const std::size_t n_suffix = position < window ? 0 : window - n_prefix;
      const std::size_t n = n_prefix + n_suffix;
      has_suffix = n_suffix > 0;
      of_prefix = reciprocals[n_prefix];
      of_freedom = reciprocals[n - 1];
      share = static_cast<double>(n_suffix) * reciprocals[n];
      weight = static_cast<double>(n_prefix) * share;
    }

    std::size_t filled;       // rows already in the current block
    bool has_suffix;          // whether part of the previous block is in the window
    double of_prefix = 0.0;   // 1 / rows of the current block
    double of_freedom = 0.0;  // 1 / (rows - 1); 0 for a single row
    double share = 0.0;       // rows of the previous block / rows
    double weight = 0.0;      // rows of the one · rows of the other / rows
  };

  /// A position counts the rows of the first block from 0, and those of later blocks from `window`.
  static std::size_t rows_in_block(std::size_t window, std::size_t position) noexcept {
    return position < window ? position : position - window;
  }

  [[nodiscard]] std::size_t state_size(std::size_t window) const noexcept {
    return (header_rows + n_statistics * window) * n_columns_;
  }

  /// Writes the features of one window: four values per column.
  void transform_window(const double* state, const Place& place, const double* row,
                        double* out) const noexcept {
    const std::size_t out_stride = n_statistics * windows_.size();
    const double* suffixes = state + (header_rows + n_statistics * (place.filled + 1)) * n_columns_;
    for (std::size_t column = 0; column < n_columns_; ++column, out += out_stride) {
      const double* fields = state + column;
      double anchor = row[column];
      RunningMoments moments = RunningMoments::of(anchor);
      if (place.filled > 0) {
        anchor = fields[anchor_row * n_columns_];
        moments = RunningMoments::load(fields, n_columns_);
        moments.add(row[column], anchor, place.of_prefix);
      }
      if (place.has_suffix) {
        const double offset = fields[suffix_anchor_row * n_columns_] - anchor;
        moments.merge(RunningMoments::load(suffixes + column, n_columns_), offset, place.share,
                      place.weight);
      }
      out[0] = anchor + moments.mean;
      out[1] = std::sqrt(moments.m2 * place.of_freedom);
      out[2] = moments.low;
      out[3] = moments.high;
    }
  }

  /// Adds a row to a block of `filled` rows.
  void append(double* state, std::size_t filled, const double* row) const noexcept {
    double* anchors = state + anchor_row * n_columns_;
    double* values = state + (header_rows + n_statistics * filled) * n_columns_;
    std::copy_n(row, n_columns_, values);
    if (filled == 0) {
      std::copy_n(row, n_columns_, anchors);
      for (std::size_t column = 0; column < n_columns_; ++column) {
        RunningMoments::of(row[column]).store(state + column, n_columns_);
      }
      return;
    }
    const double reciprocal = reciprocals_[filled + 1];
    for (std::size_t column = 0; column < n_columns_; ++column) {
      auto moments = RunningMoments::load(state + column, n_columns_);
      moments.add(row[column], anchors[column], reciprocal);
      moments.store(state + column, n_columns_);
    }
  }

  /// Turns the values of a complete block into its suffix aggregates, the last row first.
  void close_block(double* state, std::size_t window) const noexcept {
    const std::size_t step = n_statistics * n_columns_;
    double* anchors = state + suffix_anchor_row * n_columns_;
    double* current = state + header_rows * n_columns_ + (window - 1) * step;
    std::copy_n(current, n_columns_, anchors);
    for (std::size_t column = 0; column < n_columns_; ++column) {
      RunningMoments::of(anchors[column]).store(current + column, n_columns_);
    }
    for (std::size_t n = 2; n <= window; ++n) {
      const double* following = current;
      current -= step;
      for (std::size_t column = 0; column < n_columns_; ++column) {
        auto moments = RunningMoments::load(following + column, n_columns_);
        moments.add(current[column], anchors[column], reciprocals_[n]);
        moments.store(current + column, n_columns_);
      }
    }
  }

  [[nodiscard]] std::size_t state_rows() const noexcept {
    std::size_t rows = 0;
    for (const std::size_t window : windows_) rows += header_rows + n_statistics * window;
    return rows;
  }

  /// Whether sizes and positions fit together and no feature can come out as NaN or infinite.
  [[nodiscard]] bool is_sound() const {
    if (n_columns_ == 0) return windows_.empty() && positions_.empty() && state_.empty();
    if (!featuresdetail::valid_width(n_columns_) || !featuresdetail::valid_periods(windows_) ||
        positions_.size() != windows_.size() || state_.size() % n_columns_ != 0 ||
        state_.size() / n_columns_ != state_rows()) {
      return false;
    }
    const double* values = state_.data();
    for (std::size_t k = 0; k < windows_.size(); ++k) {
      if (positions_[k] >= 2 * windows_[k]) return false;
      for (std::size_t row = 0; row < header_rows + n_statistics * windows_[k]; ++row) {
        const bool is_m2 =
            row == 1 || (row >= header_rows && (row - header_rows) % n_statistics == 1);
        for (std::size_t column = 0; column < n_columns_; ++column, ++values) {
          // Negated comparisons, so that NaN fails them.
          if (is_m2 && !(*values >= 0.0 && *values <= largest_m2)) return false;
          if (!is_m2 && !(std::abs(*values) <= 4.0 * max_magnitude)) return false;
        }
      }
    }
    return true;
  }

  std::size_t n_columns_ = 0;
  std::vector<std::size_t> windows_;
  std::vector<std::size_t> positions_;
  std::vector<double> state_;
  std::vector<double> reciprocals_;
};

}  // namespace freshet
