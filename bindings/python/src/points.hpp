#pragma once

#include <span>
#include <string>
#include <string_view>

#include <pybind11/pybind11.h>

#include "freshet/core/result.hpp"
#include "rows.hpp"
#include "session.hpp"

/// @file
/// What the service does with rows besides scoring them, where it can do without Python.

namespace freshet::python {

/// Rows of numbers as the journal of the service keeps them. Its module `events` tells the format,
/// and reads it.
[[nodiscard]] std::string encode_rows(const Batch& batch, std::span<const double> timestamps,
                                      double received_at);

/// A row on its way through Pool::answer: read and returned with Python's lock, scored and written
/// down without it.
class Point {
 public:
  /// @param given the id of a stream, an array with one row, the names of its columns, and when it
  /// came, in seconds.
  explicit Point(const pybind11::tuple& given);

  [[nodiscard]] std::string_view stream_id() const noexcept { return stream_id_; }

  /// Scores and keeps the row.
  /// @throws Error when it is refused; nothing has changed then.
  void process(Session& session);
  /// Writes down what has happened.
  void write();

  /// What the journal keeps of the row, what Pool::verdicts would return, and the verdict as JSON;
  /// None unless that was written.
  [[nodiscard]] pybind11::object take() const;

 private:
  std::string stream_id_;
  ReadBatch read_;
  double received_at_;
  Result result_;
  std::string event_;
  std::string json_;
};

}  // namespace freshet::python
