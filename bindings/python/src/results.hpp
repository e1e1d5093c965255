#pragma once

#include <cstddef>
#include <span>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "freshet/core/result.hpp"

namespace freshet::python {

/// A new structured NumPy array of `n` records and the results that are its memory: what the
/// library writes there, Python sees without another copy.
struct Records {
  explicit Records(std::size_t n);

  /// The array, whose bytes are the same for the same results.
  [[nodiscard]] pybind11::array take() const;

  pybind11::array array;
  std::span<Result> results;
};

/// The same as bytes of Python, for whoever only keeps or sends them.
struct RecordBytes {
  explicit RecordBytes(std::size_t n);

  /// The bytes, which are the same for the same results.
  [[nodiscard]] pybind11::bytes take() const;

  pybind11::bytes bytes;
  std::span<Result> results;
};

/// The records, and what the service asks of them; see Pool.verdicts.
[[nodiscard]] pybind11::tuple summary(const RecordBytes& records);

}  // namespace freshet::python
