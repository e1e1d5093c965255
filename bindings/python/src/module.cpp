#include <string>

#include <pybind11/pybind11.h>

#include "bind.hpp"
#include "freshet/version.hpp"

/// @file
/// `freshet._core`: translation between Python and the C++ library, and nothing else. What users
/// call, and its documentation, is the Python package around it.

PYBIND11_MODULE(_core, module) {
  // Docstrings here begin with the signature in the form that `inspect.signature` reads.
  pybind11::options options;
  options.disable_function_signatures();

  module.doc() = "The compiled part of freshet. Use the names that the package freshet exports.";
  module.attr("__version__") = std::string(freshet::version);

  freshet::python::bind_errors(module);
  freshet::python::bind_results(module);
  freshet::python::bind_records_json(module);
  freshet::python::bind_points(module);
  freshet::python::bind_models(module);
  freshet::python::bind_lstm_autoencoder(module);
  freshet::python::bind_features(module);
  freshet::python::bind_encoder(module);
  freshet::python::bind_rows(module);
  freshet::python::bind_trained_model(module);
  freshet::python::bind_detector(module);
  freshet::python::bind_pool(module);
}
