#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind.hpp"
#include "freshet/backends/autoencoder.hpp"
#include "freshet/backends/cblof.hpp"
#include "freshet/backends/copod.hpp"
#include "freshet/backends/ecod.hpp"
#include "freshet/backends/hbos.hpp"
#include "freshet/backends/isolation_forest.hpp"
#include "freshet/backends/knn.hpp"
#include "freshet/backends/local_outlier_factor.hpp"
#include "freshet/backends/loda.hpp"
#include "freshet/backends/mcd.hpp"
#include "freshet/backends/one_class_svm.hpp"
#include "freshet/backends/suod.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/io/archive.hpp"
#include "freshet/io/backend_registry.hpp"
#include "freshet/io/json_fields.hpp"
#include "json.hpp"
#include "model_helpers.hpp"
#include "rows.hpp"

/// @file
/// Trained models, for the estimators.

namespace py = pybind11;
using namespace pybind11::literals;

namespace freshet::python {

namespace {

template <Backend B>
typename B::Model fit(const py::dict& parameters, const Doubles& rows, const Names& names,
                      Seed seed) {
  const auto backend = read_backend<B>(parameters);
  const ReadMatrix read(rows);
  const py::gil_scoped_release release;
  require_columns(read.view(), std::max<std::size_t>(read.view().n_columns(), 1), names);
  return backend.fit(read.view(), seed);
}

template <Model M>
Doubles score(const M& model, const Doubles& rows, const Names& names) {
  const ReadMatrix read(rows);
  const MatrixView view = read.view();
  Doubles scores(static_cast<py::ssize_t>(view.n_rows()));
  const std::span out(scores.mutable_data(), view.n_rows());
  const py::gil_scoped_release release;
  require_columns(view, model.n_features(), names);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = model.score(view.row(i));
  return scores;
}

template <ExplainableModel M>
Doubles explain(const M& model, const Doubles& rows, const Names& names) {
  const ReadMatrix read(rows);
  const MatrixView view = read.view();
  Doubles contributions({view.n_rows(), model.n_features()});
  double* out = contributions.mutable_data();
  const py::gil_scoped_release release;
  require_columns(view, model.n_features(), names);
  for (std::size_t i = 0; i < view.n_rows(); ++i) {
    model.explain(view.row(i), {out + i * model.n_features(), model.n_features()});
  }
  return contributions;
}

template <Backend B>
py::class_<typename B::Model> bind_model(py::module_& module, const char* class_name) {
  using M = typename B::Model;
  return py::class_<M>(module, class_name, "A trained model: immutable.")
      .def_static(
          "check", [](const py::dict& parameters) { (void)read_backend<B>(parameters); },
          "parameters"_a, "check(parameters)\n--\n\nRaise unless all are valid.")
      .def_static("fit", &fit<B>, "parameters"_a, "rows"_a, "names"_a = py::none(), "seed"_a = 0,
                  "fit(parameters, rows, names=None, seed=0)\n--\n\n")
      .def("score", &score<M>, "rows"_a, "names"_a = py::none(),
           "score(self, rows, names=None)\n--\n\nThe raw score of every row.")
      .def("explain", &explain<M>, "rows"_a, "names"_a = py::none(),
           "explain(self, rows, names=None)\n--\n\nEach column's part of every row's score.")
      .def(
          "training_scores", [](const M& model) { return copy_of(model.training_scores()); },
          "training_scores(self)\n--\n\nThe scores of the rows it was trained on.")
      .def_property_readonly("n_features", &M::n_features, "The width of its rows.")
      .def(py::pickle(&to_bytes<M>, &from_bytes<M>));
}

// With what is drawn from the seed otherwise: projections, centers.
template <Backend B>
typename B::Model fit_given(const py::dict& parameters, const Doubles& rows, const Doubles& given,
                            const Names& names) {
  const auto backend = read_backend<B>(parameters);
  const ReadMatrix read(rows);
  const ReadMatrix read_given(given);
  const py::gil_scoped_release release;
  require_columns(read.view(), std::max<std::size_t>(read.view().n_columns(), 1), names);
  return backend.fit(read.view(), read_given.view());
}

py::list densities(const HbosModel& model) {
  py::list all;
  for (std::size_t j = 0; j < model.n_features(); ++j) all.append(copy_of(model.densities(j)));
  return all;
}

py::list bin_edges(const HbosModel& model) {
  py::list all;
  for (std::size_t j = 0; j < model.n_features(); ++j) all.append(copy_of(model.bin_edges(j)));
  return all;
}

Doubles copy_of(const Matrix& matrix) {
  return Doubles({matrix.n_rows(), matrix.n_columns()}, matrix.view().data());
}

py::object default_parameters(const std::string& backend) {
  return from_json(complete_parameters(backend, nlohmann::json::object()));
}

}  // namespace

void bind_models(py::module_& module) {
  bind_model<Ecod>(module, "EcodModel");
  bind_model<Copod>(module, "CopodModel");
  bind_model<Hbos>(module, "HbosModel")
      .def("densities", &densities, "densities(self)\n--\n\nOf every column the bins' densities.")
      .def("bin_edges", &bin_edges, "bin_edges(self)\n--\n\nOf every column the bins' edges.");
  bind_model<Loda>(module, "LodaModel")
      .def_static("fit_projections", &fit_given<Loda>, "parameters"_a, "rows"_a, "projections"_a,
                  "names"_a = py::none(),
                  "fit_projections(parameters, rows, projections, names=None)\n--\n\n")
      .def(
          "projections", [](const LodaModel& model) { return copy_of(model.projections()); },
          "projections(self)\n--\n\n(n_random_cuts, n_features)");
  bind_model<IsolationForest>(module, "IsolationForestModel");
  bind_model<Knn>(module, "KnnModel");
  bind_model<LocalOutlierFactor>(module, "LocalOutlierFactorModel");
  bind_model<Cblof>(module, "CblofModel")
      .def_static("fit_centers", &fit_given<Cblof>, "parameters"_a, "rows"_a, "centers"_a,
                  "names"_a = py::none(),
                  "fit_centers(parameters, rows, centers, names=None)\n--\n\n")
      .def(
          "centers", [](const CblofModel& model) { return copy_of(model.centers()); },
          "centers(self)\n--\n\n(n_clusters, n_features), the largest cluster first.")
      .def(
          "cluster_sizes",
          [](const CblofModel& model) {
            const auto sizes = model.cluster_sizes();
            return std::vector<std::size_t>(sizes.begin(), sizes.end());
          },
          "cluster_sizes(self)\n--\n\nThe training rows of each cluster.")
      .def_property_readonly("n_large_clusters", &CblofModel::n_large_clusters,
                             "The first so many clusters are large.");
  bind_model<Mcd>(module, "McdModel")
      .def(
          "location", [](const McdModel& model) { return copy_of(model.location()); },
          "location(self)\n--\n\n(n_features,)")
      .def(
          "covariance", [](const McdModel& model) { return copy_of(model.covariance()); },
          "covariance(self)\n--\n\n(n_features, n_features)")
      .def(
          "precision", [](const McdModel& model) { return copy_of(model.precision()); },
          "precision(self)\n--\n\n(n_features, n_features)");
  bind_model<OneClassSvm>(module, "OneClassSvmModel")
      .def_property_readonly("n_support_vectors", &OneClassSvmModel::n_support_vectors, "")
      .def_property_readonly("offset", &OneClassSvmModel::offset, "");
  bind_model<Suod>(module, "SuodModel");
  bind_model<Autoencoder>(module, "AutoencoderModel");
  module.def("backend_names", &backend_names, "backend_names()\n--\n\n");
  module.def("default_parameters", &default_parameters, "backend"_a,
             "default_parameters(backend)\n--\n\n");
}

}  // namespace freshet::python
