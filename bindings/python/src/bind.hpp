#pragma once

#include <pybind11/pybind11.h>

/// @file
/// The parts of the module `freshet._core`, one function for each source file.

namespace freshet::python {

void bind_errors(pybind11::module_& module);
void bind_results(pybind11::module_& module);
void bind_records_json(pybind11::module_& module);
void bind_models(pybind11::module_& module);
void bind_lstm_autoencoder(pybind11::module_& module);
void bind_features(pybind11::module_& module);
void bind_encoder(pybind11::module_& module);
void bind_rows(pybind11::module_& module);
void bind_trained_model(pybind11::module_& module);
void bind_detector(pybind11::module_& module);
void bind_points(pybind11::module_& module);
void bind_pool(pybind11::module_& module);

}  // namespace freshet::python
