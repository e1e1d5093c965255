#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <pybind11/pybind11.h>

#include "freshet/core/result.hpp"
#include "rows.hpp"
#include "session.hpp"

/// @file
/// What the service does with rows besides scoring them, where it can do without Python.

namespace freshet::python {

/// Rows of numbers as the journal of the service keeps them: those of some batches, whose columns
/// are those of the first, one after the other. Its module `events` tells the format, and reads it.
[[nodiscard]] std::string encode_rows(std::span<const Batch> batches,
                                      std::span<const double> timestamps, double received_at);

/// A row on its way through Pool::answer: read with Python's lock, scored without it.
class Point {
 public:
  /// @param given the id of a stream, an array with one row or a list of one, the names of an
  /// array's columns or None, and when it came, in seconds.
  explicit Point(const pybind11::tuple& given);

  [[nodiscard]] std::string_view stream_id() const noexcept { return stream_id_; }
  [[nodiscard]] Batch batch() const noexcept { return read_.batch(); }
  [[nodiscard]] double received_at() const noexcept { return received_at_; }

  /// Scores and keeps the row, unless it is refused; nothing has changed then.
  void process(Session& session);
  /// The verdict, if the row was kept.
  [[nodiscard]] const std::optional<Result>& result() const noexcept { return result_; }

  /// Whether both rows may be of one event.
  [[nodiscard]] bool goes_with(const Point& other) const;

 private:
  std::string stream_id_;
  ReadBatch read_;
  double received_at_;
  std::optional<Result> result_;
};

/// Points of a stream that were kept one after the other, which are one event of the journal.
class Run {
 public:
  /// @param indices of the points among all that were given.
  Run(const std::deque<std::optional<Point>>& points, std::vector<std::size_t> indices);

  /// What the journal keeps, what Pool::verdicts would return, and of each point its index, what
  /// Pool::verdicts would return for it alone, and its verdict as JSON.
  [[nodiscard]] pybind11::tuple take() const;

 private:
  std::vector<std::size_t> indices_;
  std::vector<Result> results_;
  std::vector<std::string> json_;
  std::string event_;
};

/// Runs of the points that were kept, in their order. Needs no Python.
[[nodiscard]] std::vector<Run> runs_of(const std::deque<std::optional<Point>>& points);

}  // namespace freshet::python
