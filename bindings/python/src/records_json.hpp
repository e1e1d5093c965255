#pragma once

#include <span>
#include <string>

#include "freshet/core/result.hpp"

namespace freshet::python {

/// Verdicts as the service answers them: a list of objects in JSON. Needs no Python.
[[nodiscard]] std::string to_json(std::span<const Result> results);

}  // namespace freshet::python
