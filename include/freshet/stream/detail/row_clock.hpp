#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "freshet/core/error.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/stream/config.hpp"

/// @file
/// The order of rows in time.

namespace freshet::streamdetail {

/// Throws DataError unless there is one of `what` for each row.
inline void require_one_per_row(const std::string& what, std::size_t size, std::size_t n_rows) {
  if (size == n_rows) return;
  const std::string expected = std::to_string(n_rows) + ", one for each row";
  throw DataError(ErrorCode::width_mismatch,
                  "there are " + std::to_string(size) + " " + what + ": expected " + expected, what,
                  expected);
}

/// Remembers the latest timestamp, and tells what is wrong with one and which rows are late.
class RowClock {
 public:
  /// What is wrong with the timestamp of the next row.
  [[nodiscard]] std::optional<RowFault> find_fault(double timestamp,
                                                   OutOfOrder policy) const noexcept {
    return fault_after(latest_, timestamp, policy, 0);
  }

  /// Throws DataError unless rows may have these timestamps; they need not have any.
  void require(std::span<const double> timestamps, std::size_t n_rows, OutOfOrder policy) const {
    if (!timestamps.empty()) require_one_per_row("timestamps", timestamps.size(), n_rows);
    double previous = latest_;
    for (std::size_t i = 0; i < timestamps.size(); ++i) {
      if (const auto fault = fault_after(previous, timestamps[i], policy, i)) {
        throw to_error(*fault);
      }
      previous = timestamps[i];
    }
  }

  /// Goes on to a timestamp without a fault. @return false, and stays, if it is in the past.
  [[nodiscard]] bool advance(double timestamp) noexcept {
    if (timestamp < latest_) return false;
    latest_ = timestamp;
    return true;
  }

  /// Forgets all timestamps.
  void reset() noexcept { *this = RowClock(); }

  /// Reads or writes the latest timestamp; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(latest_);
  }

 private:
  [[nodiscard]] static std::optional<RowFault> fault_after(double previous, double timestamp,
                                                           OutOfOrder policy,
                                                           std::size_t row) noexcept {
    if (!std::isfinite(timestamp)) {
      return RowFault{ErrorCode::timestamp_invalid, row, 0, 0, timestamp};
    }
    if (timestamp >= previous || policy == OutOfOrder::drop) return std::nullopt;
    return RowFault{ErrorCode::timestamp_out_of_order, row, 0, 0, timestamp};
  }

  double latest_ = -std::numeric_limits<double>::infinity();
};

}  // namespace freshet::streamdetail
