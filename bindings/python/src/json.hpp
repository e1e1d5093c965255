#pragma once

#include <string>

#include <nlohmann/json.hpp>
#include <pybind11/pybind11.h>

/// @file
/// Settings between Python objects and JSON values.

namespace freshet::python {

/// `value` as JSON: None, bools, numbers, strings, mappings with strings as keys, and iterables;
/// NumPy's scalars and arrays too. NaN stays a number, for the library to refuse by name.
/// @param field what errors call the value.
/// @throws ConfigurationError for anything else.
[[nodiscard]] nlohmann::json to_json(pybind11::handle value, const std::string& field);

[[nodiscard]] pybind11::object from_json(const nlohmann::json& json);

}  // namespace freshet::python
