#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"

/// @file
/// From values with names to a row in column order.

namespace freshet {

/// The names of a detector's columns, found by name in O(1).
class Columns {
 public:
  Columns() = default;

  /// @throws DataError when two names are the same.
  explicit Columns(std::vector<std::string> names) : names_(std::move(names)) {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (index_.try_emplace(names_[i], i).second) continue;
      throw DataError(ErrorCode::column_duplicate, "column \"" + names_[i] + "\" comes twice",
                      names_[i], "names that differ from each other", {std::nullopt, i});
    }
  }

  /// The names in column order.
  [[nodiscard]] std::span<const std::string> names() const noexcept { return names_; }
  /// The number of columns.
  [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }

  /// Where values that come under `given` names go: `order[i]` is the column of `given[i]`.
  /// @param row the zero-based row of the batch that errors name.
  /// @throws DataError for a name that is unknown, comes twice or is missing.
  [[nodiscard]] std::vector<std::size_t> order(std::span<const std::string> given,
                                               std::size_t row = 0) const {
    std::vector<std::size_t> order;
    std::vector<bool> seen(names_.size(), false);
    for (const std::string& name : given) {
      const auto found = index_.find(name);
      if (found == index_.end()) {
        throw DataError(ErrorCode::column_unknown, at(row) + "unknown column \"" + name + "\"",
                        name, "one of the columns " + joined(), {row, std::nullopt});
      }
      if (seen[found->second]) {
        throw DataError(ErrorCode::column_duplicate,
                        at(row) + "column \"" + name + "\" comes twice", name, "every column once",
                        {row, found->second});
      }
      seen[found->second] = true;
      order.push_back(found->second);
    }
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (seen[i]) continue;
      throw DataError(ErrorCode::column_missing,
                      at(row) + "column \"" + names_[i] + "\" is missing", names_[i],
                      "every one of the columns " + joined(), {row, i});
    }
    return order;
  }

 private:
  [[nodiscard]] static std::string at(std::size_t row) {
    return "row " + std::to_string(row) + ": ";
  }

  [[nodiscard]] std::string joined() const {
    std::string all;
    for (const std::string& name : names_) all += (all.empty() ? "" : ", ") + name;
    return all;
  }

  std::vector<std::string> names_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace freshet
