#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "freshet/core/matrix_view.hpp"
#include "freshet/features/feature_map.hpp"
#include "freshet/stream/config.hpp"
#include "freshet/stream/sliding_window.hpp"

/// @file
/// The features of the last rows.

namespace freshet::streamdetail {

/// Makes features of every row, which depend on the rows before it, and keeps the last ones.
class FeatureWindow {
 public:
  FeatureWindow() = default;
  /// @param n_columns the width of the rows that come, encoded
  FeatureWindow(std::size_t n_columns, const StreamingConfig& config)
      : features_(n_columns, config.rolling_windows, config.lag_periods),
        window_(config.window_size, features_.n_features()) {}

  [[nodiscard]] const FeatureMap& features() const noexcept { return features_; }
  /// Rows that are kept.
  [[nodiscard]] std::size_t size() const noexcept { return window_.size(); }
  /// The features of the rows that are kept, the oldest first.
  [[nodiscard]] MatrixView view() const noexcept { return window_.view(); }

  /// Makes the features of the next row; nothing changes before `keep`. O(features), no allocation.
  void stage(RowView row) noexcept { features_.transform(row, window_.stage()); }
  /// The features of the last `shingle - 1` rows and of the staged one.
  [[nodiscard]] RowView staged(std::size_t shingle) const noexcept {
    return window_.staged_shingle(shingle);
  }
  /// Keeps the row that was staged.
  void keep(RowView row) noexcept {
    features_.update(row);
    window_.commit();
  }

  /// What `staged` would be for `row`, without staging it. Allocates.
  [[nodiscard]] std::vector<double> peek(RowView row, std::size_t shingle) const {
    const RowView before = window_.shingle(shingle - 1);
    std::vector<double> features(before.begin(), before.end());
    features.resize(before.size() + features_.n_features());
    features_.transform(row, std::span(features).subspan(before.size()));
    return features;
  }

  /// Sums up what the rows of a shingle contribute, feature by feature.
  void sum_rows(std::vector<double>& contributions) const {
    const std::size_t width = features_.n_features();
    for (std::size_t i = width; i < contributions.size(); ++i) {
      contributions[i % width] += contributions[i];
    }
    contributions.resize(width);
  }

  /// Forgets all rows.
  void reset() noexcept {
    features_.reset();
    window_.clear();
  }

  /// Whether it is what the constructor makes of these settings.
  [[nodiscard]] bool is_made_of(std::size_t n_columns,
                                const StreamingConfig& config) const noexcept {
    return features_.n_columns() == n_columns &&
           std::ranges::equal(features_.rolling_windows(), config.rolling_windows) &&
           std::ranges::equal(features_.lag_periods(), config.lag_periods) &&
           window_.n_columns() == features_.n_features() &&
           window_.capacity() == config.window_size;
  }

  /// Makes room for further rows in one that was read; see SlidingWindow::make_room().
  void make_room() { window_.make_room(); }

  /// Reads or writes the rows; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(features_, window_);
  }

 private:
  FeatureMap features_;
  SlidingWindow window_;
};

}  // namespace freshet::streamdetail
