#include "json.hpp"

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>
#include <pybind11/pybind11.h>

#include "freshet/core/error.hpp"

namespace py = pybind11;

namespace freshet::python {

namespace {

ConfigurationError type_error(const std::string& field, py::handle value) {
  const std::string expected = "a number, string, list or mapping";
  const auto type = py::str(py::type::of(value).attr("__name__")).cast<std::string>();
  return {ErrorCode::parameter_type, field + " must be " + expected + ", not " + type, field,
          expected};
}

nlohmann::json integer(py::handle value, const std::string& field) {
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!number) throw py::error_already_set();
  int overflow = 0;
  const long long small = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (overflow == 0 && small < 0) return static_cast<std::int64_t>(small);
  const unsigned long long large = PyLong_AsUnsignedLongLong(number.ptr());
  if (PyErr_Occurred() == nullptr) return static_cast<std::uint64_t>(large);
  PyErr_Clear();
  throw ConfigurationError(ErrorCode::parameter_out_of_range, field + " must fit in 64 bits", field,
                           "an integer of 64 bits");
}

nlohmann::json object(const py::dict& items, const std::string& field) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [key, value] : items) {
    if (!py::isinstance<py::str>(key)) throw type_error(field, key);
    const auto name = key.cast<std::string>();
    json[name] = to_json(value, field.empty() ? name : field + "." + name);
  }
  return json;
}

nlohmann::json array(const py::iterable& items, const std::string& field) {
  nlohmann::json json = nlohmann::json::array();
  for (const py::handle item : items) {
    json.push_back(to_json(item, field + "[" + std::to_string(json.size()) + "]"));
  }
  return json;
}

}  // namespace

nlohmann::json to_json(py::handle value, const std::string& field) {
  if (value.is_none()) return nullptr;
  if (py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  if (PyFloat_Check(value.ptr())) return PyFloat_AS_DOUBLE(value.ptr());
  if (PyIndex_Check(value.ptr()) && !PySequence_Check(value.ptr())) return integer(value, field);
  if (py::hasattr(value, "keys")) return object(py::dict(value.attr("items")()), field);
  if (py::hasattr(value, "__iter__") && !py::isinstance<py::bytes>(value)) {
    return array(py::reinterpret_borrow<py::iterable>(value), field);
  }
  const double number = PyFloat_AsDouble(value.ptr());
  if (number == -1.0 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    throw type_error(field, value);
  }
  return number;
}

py::object from_json(const nlohmann::json& json) {
  switch (json.type()) {
    case nlohmann::json::value_t::boolean:
      return py::bool_(json.get<bool>());
    case nlohmann::json::value_t::number_integer:
      return py::int_(json.get<std::int64_t>());
    case nlohmann::json::value_t::number_unsigned:
      return py::int_(json.get<std::uint64_t>());
    case nlohmann::json::value_t::number_float:
      return py::float_(json.get<double>());
    case nlohmann::json::value_t::string:
      return py::str(json.get<std::string>());
    case nlohmann::json::value_t::array: {
      py::list items;
      for (const nlohmann::json& item : json) items.append(from_json(item));
      return items;
    }
    case nlohmann::json::value_t::object: {
      py::dict items;
      for (const auto& [key, value] : json.items()) items[py::str(key)] = from_json(value);
      return items;
    }
    default:
      return py::none();
  }
}

}  // namespace freshet::python
