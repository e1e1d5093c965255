#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/features/detail/periods.hpp"

/// @file
/// The values that columns had some rows ago.

namespace freshet {

/// For every column and every period `p`: the value `p` rows before the newest; 0.0 while there is
/// none.
///
/// Output order: column by column, for each column the periods in the given order. O(columns) per
/// row and period whatever the period, no allocation after construction. A value type: a copy goes
/// on independently.
class LagFeatures {
 public:
  /// No columns and no features; something to restore into.
  LagFeatures() = default;

  /// @param n_columns  the width of the rows, at least 1
  /// @param periods    the distances in rows, each from 1 to 2²⁴, no two equal; none is allowed
  /// @throws ConfigurationError naming "n_columns" or "lag_periods"
  LagFeatures(std::size_t n_columns, std::vector<std::size_t> periods)
      : n_columns_(n_columns), periods_(std::move(periods)) {
    featuresdetail::require_valid(n_columns_, periods_, "lag_periods");
    history_.resize(n_columns_ * n_kept());
  }

  /// The values of a row.
  [[nodiscard]] std::size_t n_columns() const noexcept { return n_columns_; }
  /// The lagged values: one per column and period.
  [[nodiscard]] std::size_t n_features() const noexcept { return n_columns_ * periods_.size(); }
  /// The distances, in rows.
  [[nodiscard]] std::span<const std::size_t> periods() const noexcept { return periods_; }

  /// Writes the features that a row would have if it came next; nothing changes. The row itself has
  /// no part in them.
  /// @param row  `n_columns()` values
  /// @param out  room for `n_features()` values
  void transform([[maybe_unused]] RowView row, std::span<double> out) const noexcept {
    assert(row.size() == n_columns_ && out.size() == n_features());
    const std::size_t n_rows = n_kept();
    for (std::size_t k = 0; k < periods_.size(); ++k) {
      const std::size_t ahead = next_ + n_rows - periods_[k];
      const std::size_t slot = ahead < n_rows ? ahead : ahead - n_rows;
      const double* values = history_.data() + slot * n_columns_;
      double* target = out.data() + k;
      for (std::size_t column = 0; column < n_columns_; ++column) {
        target[column * periods_.size()] = values[column];
      }
    }
  }

  /// Appends `row` (`n_columns()` values).
  void update(RowView row) noexcept {
    assert(row.size() == n_columns_);
    if (history_.empty()) return;
    std::copy_n(row.data(), n_columns_, history_.data() + next_ * n_columns_);
    if (++next_ == n_kept()) next_ = 0;
  }

  /// Forgets every row; what was configured stays.
  void reset() noexcept {
    next_ = 0;
    std::fill(history_.begin(), history_.end(), 0.0);
  }

  friend bool operator==(const LagFeatures&, const LagFeatures&) = default;

  /// Reads or writes everything; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(n_columns_, periods_, next_, history_);
    archive.require(is_sound(), "lag features");
  }

 private:
  /// The rows that are remembered: as many as the longest period.
  [[nodiscard]] std::size_t n_kept() const noexcept { return featuresdetail::longest(periods_); }

  /// Whether sizes and position fit together and every value is one that a row may have.
  [[nodiscard]] bool is_sound() const {
    if (n_columns_ == 0) return periods_.empty() && next_ == 0 && history_.empty();
    return featuresdetail::valid_width(n_columns_) && featuresdetail::valid_periods(periods_) &&
           history_.size() == n_columns_ * n_kept() && next_ < std::max(n_kept(), std::size_t{1}) &&
           std::all_of(history_.begin(), history_.end(), acceptable);
  }

  std::size_t n_columns_ = 0;
  std::vector<std::size_t> periods_;
  std::size_t next_ = 0;         // the slot of the next row, and of the oldest one
  std::vector<double> history_;  // a ring of n_kept() rows
};

}  // namespace freshet
