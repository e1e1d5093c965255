#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <pybind11/pybind11.h>

#include "bind.hpp"
#include "freshet/core/error.hpp"

/// @file
/// The one place where the library's errors become Python exceptions.

namespace py = pybind11;

namespace freshet::python {

namespace {

// Whatever the bytes are: a message may quote a damaged snapshot.
py::object to_str(std::string_view text) {
  return py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

py::object or_none(const std::string& text) {
  return text.empty() ? py::object(py::none()) : to_str(text);
}

py::object or_none(std::optional<std::size_t> number) {
  return number ? py::object(py::int_(*number)) : py::object(py::none());
}

const char* class_name(const Error& error) noexcept {
  if (dynamic_cast<const ConfigurationError*>(&error) != nullptr) return "ConfigurationError";
  if (dynamic_cast<const DataError*>(&error) != nullptr) return "DataError";
  if (dynamic_cast<const NotReadyError*>(&error) != nullptr) return "NotReadyError";
  if (dynamic_cast<const FitError*>(&error) != nullptr) return "FitError";
  if (dynamic_cast<const SnapshotError*>(&error) != nullptr) return "SnapshotError";
  if (dynamic_cast<const ModelFileError*>(&error) != nullptr) return "ModelFileError";
  if (dynamic_cast<const UnknownStreamError*>(&error) != nullptr) return "UnknownStreamError";
  return "Error";
}

void raise(const Error& error) {
  using namespace pybind11::literals;
  const py::object type = py::module_::import("freshet.errors").attr(class_name(error));
  const py::object exception =
      type(to_str(error.what()), "id"_a = to_str(error.id()), "field"_a = or_none(error.field()),
           "expected"_a = or_none(error.expected()), "row"_a = or_none(error.row()),
           "column"_a = or_none(error.column()));
  PyErr_SetObject(type.ptr(), exception.ptr());
}

void translate(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(std::move(thrown));
  } catch (const Error& error) {
    raise(error);
  }
}

}  // namespace

void bind_errors(py::module_& /*module*/) { py::register_local_exception_translator(&translate); }

}  // namespace freshet::python
