#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/features/lag.hpp"
#include "freshet/features/rolling.hpp"

/// @file
/// From a row to the vector that a model sees.

namespace freshet {

/// A row's own values, then its rolling features, then its lags.
///
/// Output order: the columns as they are; column by column, for each column window by window the
/// rolling mean, standard deviation, minimum and maximum (see RollingFeatures); column by column
/// the lags (see LagFeatures). O(features) per row, amortised, whatever the windows; no allocation
/// after construction. A value type: a copy goes on independently.
class FeatureMap {
 public:
  /// No columns and no features; something to restore into.
  FeatureMap() = default;

  /// @param n_columns        the width of the rows, at least 1
  /// @param rolling_windows  in rows, each from 1 to 2²⁴, no two equal; empty for none
  /// @param lag_periods      in rows, each from 1 to 2²⁴, no two equal; empty for none
  /// @throws ConfigurationError naming "n_columns", "rolling_windows" or "lag_periods"
  explicit FeatureMap(std::size_t n_columns, std::vector<std::size_t> rolling_windows = {},
                      std::vector<std::size_t> lag_periods = {})
      : rolling_(n_columns, std::move(rolling_windows)), lags_(n_columns, std::move(lag_periods)) {}

  /// The values of a row that comes in.
  [[nodiscard]] std::size_t n_columns() const noexcept { return rolling_.n_columns(); }
  /// The values of the vector that comes out.
  [[nodiscard]] std::size_t n_features() const noexcept {
    return n_columns() + rolling_.n_features() + lags_.n_features();
  }
  /// The widths of the rolling windows, in rows.
  [[nodiscard]] std::span<const std::size_t> rolling_windows() const noexcept {
    return rolling_.windows();
  }
  /// The distances of the lags, in rows.
  [[nodiscard]] std::span<const std::size_t> lag_periods() const noexcept {
    return lags_.periods();
  }

  /// Writes the features that `row` would have if it came next; nothing changes.
  /// @param row  `n_columns()` finite values of at most `max_magnitude`
  /// @param out  room for `n_features()` values, apart from `row`
  void transform(RowView row, std::span<double> out) const noexcept {
    assert(row.size() == n_columns() && out.size() == n_features());
    std::copy_n(row.data(), row.size(), out.data());
    rolling_.transform(row, out.subspan(n_columns(), rolling_.n_features()));
    lags_.transform(row, out.last(lags_.n_features()));
  }

  /// Appends `row` (`n_columns()` finite values of at most `max_magnitude`).
  void update(RowView row) noexcept {
    rolling_.update(row);
    lags_.update(row);
  }

  /// Forgets every row; what was configured stays.
  void reset() noexcept {
    rolling_.reset();
    lags_.reset();
  }

  /// The features' names, in their order: the columns', then for each column
  /// `{col}_rolling_mean_5`,
  /// `{col}_rolling_std_5`, `{col}_rolling_min_5`, `{col}_rolling_max_5` for each window, then for
  /// each column `{col}_lag_1` for each period.
  /// @param columns  `n_columns()` names, or none: then they are "f0", "f1", …
  /// @throws ConfigurationError naming "columns" when there are more or fewer
  [[nodiscard]] std::vector<std::string> names(std::span<const std::string> columns = {}) const {
    require_parameter(columns.empty() || columns.size() == n_columns(), "columns",
                      std::to_string(n_columns()) + " names");
    std::vector<std::string> names(columns.begin(), columns.end());
    names.reserve(n_features());
    for (std::size_t i = names.size(); i < n_columns(); ++i) {
      names.emplace_back("f").append(std::to_string(i));
    }
    for (std::size_t i = 0; i < n_columns(); ++i) {
      for (const std::size_t window : rolling_windows()) {
        for (const char* statistic :
             {"_rolling_mean_", "_rolling_std_", "_rolling_min_", "_rolling_max_"}) {
          names.push_back(names[i] + statistic + std::to_string(window));
        }
      }
    }
    for (std::size_t i = 0; i < n_columns(); ++i) {
      for (const std::size_t period : lag_periods()) {
        names.push_back(names[i] + "_lag_" + std::to_string(period));
      }
    }
    return names;
  }

  /// The column from which feature `feature` (below `n_features()`) is computed.
  [[nodiscard]] std::size_t column_of(std::size_t feature) const noexcept {
    assert(feature < n_features());
    if (feature < n_columns()) return feature;
    feature -= n_columns();
    if (feature < rolling_.n_features()) return feature / (rolling_.n_features() / n_columns());
    feature -= rolling_.n_features();
    return feature / lag_periods().size();
  }

  friend bool operator==(const FeatureMap&, const FeatureMap&) = default;

  /// Reads or writes everything; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(rolling_, lags_);
    archive.require(rolling_.n_columns() == lags_.n_columns(), "feature map");
  }

 private:
  RollingFeatures rolling_;
  LagFeatures lags_;
};

}  // namespace freshet
