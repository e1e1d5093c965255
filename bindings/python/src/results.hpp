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

}  // namespace freshet::python
