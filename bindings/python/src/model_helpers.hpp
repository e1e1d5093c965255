#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "freshet/core/concepts.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/io/archive.hpp"
#include "freshet/io/json_fields.hpp"
#include "json.hpp"

/// @file
/// What the bindings of all trained models have in common.

namespace freshet::python {

using Doubles = pybind11::array_t<double>;
using Names = std::optional<std::vector<std::string>>;

template <Backend B>
B read_backend(const pybind11::dict& parameters) {
  B backend;
  const nlohmann::json json = to_json(parameters, "");
  JsonReader reader(json);
  backend.visit_fields(reader);
  reader.require_all_known();
  backend.validate();
  return backend;
}

inline void require_columns(MatrixView rows, std::size_t n_columns, const Names& names) {
  require_rows(rows, n_columns,
               names ? std::span<const std::string>(*names) : std::span<const std::string>{});
}

inline Doubles copy_of(std::span<const double> values) {
  return Doubles(static_cast<pybind11::ssize_t>(values.size()), values.data());
}

template <Model M>
pybind11::bytes to_bytes(M& model) {
  ArchiveWriter writer;
  writer(model);
  return {reinterpret_cast<const char*>(writer.bytes().data()), writer.bytes().size()};
}

template <Model M>
M from_bytes(const pybind11::bytes& bytes) {
  char* text = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(bytes.ptr(), &text, &size) != 0) throw pybind11::error_already_set();
  ArchiveReader reader(std::as_bytes(std::span(text, static_cast<std::size_t>(size))));
  M model;
  reader(model);
  reader.require(reader.remaining() == 0, "end");
  return model;
}

}  // namespace freshet::python
