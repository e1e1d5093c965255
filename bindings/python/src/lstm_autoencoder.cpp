#include "freshet/backends/lstm_autoencoder.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "bind.hpp"
#include "freshet/io/bundle.hpp"
#include "freshet/nn/instruction_set.hpp"
#include "json.hpp"
#include "model_helpers.hpp"
#include "rows.hpp"

/// @file
/// The LSTM autoencoder and its bundles.

namespace py = pybind11;
using namespace pybind11::literals;

namespace freshet::python {

namespace {

using LstmModel = LstmAutoencoderModel;

/// Windows as rows of `rows`, or as views of the series that `rows` is when they are that narrow.
MatrixView windows_of(MatrixView rows, std::size_t window, bool is_series) {
  if (!is_series) return rows;
  if (rows.row_stride() != rows.n_columns()) {
    throw DataError(ErrorCode::width_mismatch, "the series' rows are not contiguous", "rows",
                    "an array in C order");
  }
  return rows.shingled(window);
}

/// Tells Python's callback, if there is one, and lets Ctrl-C through.
nn::TrainingControl control_of(const py::object& on_progress) {
  return {.stop = {}, .on_progress = [&on_progress](const nn::TrainingProgress& progress) {
            const py::gil_scoped_acquire acquire;
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            if (!on_progress.is_none()) on_progress(progress);
          }};
}

LstmModel fit(const py::dict& parameters, const Doubles& rows, bool is_series, Seed seed,
              const LstmModel* previous, const py::object& on_progress, const Names& names) {
  const auto backend = read_backend<LstmAutoencoder>(parameters);
  const ReadMatrix read(rows);
  const nn::TrainingControl control = control_of(on_progress);
  const py::gil_scoped_release release;
  require_columns(read.view(), std::max<std::size_t>(read.view().n_columns(), 1), names);
  return backend.fit(windows_of(read.view(), backend.window, is_series), seed, previous, control);
}

/// Checks rows of windows or of a series, and shows the windows.
MatrixView checked(const LstmModel& model, MatrixView rows, bool is_series, const Names& names) {
  require_columns(rows, is_series ? model.n_columns() : model.n_features(), names);
  return windows_of(rows, model.window(), is_series);
}

Doubles score(const LstmModel& model, const Doubles& rows, bool is_series, std::size_t n_threads,
              const Names& names) {
  const ReadMatrix read(rows);
  std::vector<double> scores;
  {
    const py::gil_scoped_release release;
    scores = model.score(checked(model, read.view(), is_series, names), n_threads);
  }
  return copy_of(scores);
}

/// Calls `use(window, values of the window)` for every window; the values become an array.
template <class Use>
Doubles for_each_window(const LstmModel& model, const Doubles& rows, bool is_series,
                        const Names& names, const Use& use) {
  const ReadMatrix read(rows);
  MatrixView windows;
  {
    const py::gil_scoped_release release;
    windows = checked(model, read.view(), is_series, names);
  }
  Doubles result({windows.n_rows(), model.window(), model.n_columns()});
  double* out = result.mutable_data();
  const py::gil_scoped_release release;
  for (std::size_t i = 0; i < windows.n_rows(); ++i) {
    use(windows.row(i), std::span(out + i * model.n_features(), model.n_features()));
  }
  return result;
}

Doubles squared_errors(const LstmModel& model, const Doubles& rows, bool is_series,
                       const Names& names) {
  return for_each_window(model, rows, is_series, names, [&](RowView window, std::span<double> out) {
    model.squared_errors(window, out);
  });
}

Doubles reconstruct(const LstmModel& model, const Doubles& rows, bool is_series,
                    const Names& names) {
  return for_each_window(model, rows, is_series, names, [&](RowView window, std::span<double> out) {
    model.reconstruct(window, out);
  });
}

template <class Scalar>
void add_tensors(const LstmModel& model, py::dict& tensors) {
  const auto* network = model.network<Scalar>();
  if (network == nullptr) return;
  for (const auto& tensor : network->tensors()) {
    std::vector<py::ssize_t> shape{tensor.values.rows()};
    if (!tensor.is_vector) shape.push_back(tensor.values.cols());
    tensors[py::str(tensor.name)] = py::array_t<Scalar>(shape, tensor.values.data());
  }
}

py::dict tensors(const LstmModel& model) {
  py::dict tensors;
  add_tensors<float>(model, tensors);
  add_tensors<double>(model, tensors);
  return tensors;
}

template <class Scalar>
LstmModel model_from(const LstmAutoencoder& backend, const py::dict& tensors,
                     AffineTransform scaler) {
  nn::Autoencoder<Scalar> network(
      {.n_columns = static_cast<nn::Index>(scaler.n_features()),
       .hidden_size = static_cast<nn::Index>(backend.hidden_size),
       .num_layers = static_cast<nn::Index>(backend.num_layers),
       .latent_size = static_cast<nn::Index>(backend.latent_size.value_or(0))});
  std::vector<nn::NamedTensor<Scalar>> named;
  for (const auto& [name, value] : tensors) {
    const auto array =
        py::array_t<Scalar, py::array::c_style | py::array::forcecast>::ensure(value);
    if (!array || array.ndim() < 1 || array.ndim() > 2) {
      throw ModelFileError(ErrorCode::file_mismatch,
                           py::str(name).cast<std::string>() + " is no matrix or vector of numbers",
                           py::str(name).cast<std::string>(), "a matrix or vector of numbers");
    }
    const py::ssize_t n_columns = array.ndim() == 2 ? array.shape(1) : 1;
    named.push_back({py::str(name).cast<std::string>(),
                     Eigen::Map<const nn::Tensor<Scalar>>(array.data(), array.shape(0), n_columns),
                     array.ndim() == 1});
  }
  network.set_tensors(named);
  return {std::move(network), backend.window, std::move(scaler), {}, {}};
}

LstmModel from_tensors(const py::dict& parameters, const py::dict& tensors,
                       std::vector<double> center, std::vector<double> scale) {
  const auto backend = read_backend<LstmAutoencoder>(parameters);
  AffineTransform scaler(std::move(center), std::move(scale));
  return backend.dtype == Dtype::float32 ? model_from<float>(backend, tensors, std::move(scaler))
                                         : model_from<double>(backend, tensors, std::move(scaler));
}

py::dict history(const LstmModel& model) {
  py::list training;
  py::list validation;
  for (const nn::EpochLosses& losses : model.history().epochs) {
    training.append(losses.training);
    validation.append(losses.validation);
  }
  return py::dict("training_loss"_a = training, "validation_loss"_a = validation,
                  "best_epoch"_a = model.history().best_epoch);
}

void save(const std::filesystem::path& path, const LstmModel& model, const py::dict& parameters,
          const std::vector<std::string>& columns, double threshold,
          std::optional<double> percentile, std::size_t n_rows,
          const std::vector<std::vector<double>>& statistics, Seed seed,
          const std::optional<std::string>& created) {
  Bundle bundle;
  bundle.backend = read_backend<LstmAutoencoder>(parameters);
  bundle.model = model;
  bundle.columns = columns;
  bundle.threshold = threshold;
  bundle.percentile = percentile;
  bundle.n_rows = n_rows;
  bundle.seed = seed;
  for (const auto& one : statistics) {
    require_parameter(one.size() == 4, "statistics", "min, max, mean and std of every column");
    bundle.statistics.push_back({one[0], one[1], one[2], one[3]});
  }
  bundle.created = created.value_or(utc_now());
  const py::gil_scoped_release release;
  save_bundle(path, bundle);
}

py::dict load(const std::filesystem::path& path) {
  Bundle bundle;
  {
    const py::gil_scoped_release release;
    bundle = load_bundle(path);
  }
  JsonWriter parameters;
  bundle.backend.visit_fields(parameters);
  py::list statistics;
  for (const ColumnStatistics& one : bundle.statistics) {
    statistics.append(py::make_tuple(one.min, one.max, one.mean, one.std));
  }
  return py::dict("model"_a = bundle.model, "parameters"_a = from_json(parameters.object()),
                  "columns"_a = bundle.columns, "threshold"_a = bundle.threshold,
                  "percentile"_a = bundle.percentile, "n_rows"_a = bundle.n_rows,
                  "seed"_a = bundle.seed, "statistics"_a = statistics, "created"_a = bundle.created,
                  "library_version"_a = bundle.library_version);
}

py::list statistics_of(const Doubles& rows) {
  const ReadMatrix read(rows);
  py::list all;
  for (const ColumnStatistics& one : column_statistics(read.view())) {
    all.append(py::make_tuple(one.min, one.max, one.mean, one.std));
  }
  return all;
}

/// What a safetensors file holds, as arrays by name.
py::dict read_tensor_file(const py::bytes& data, const std::string& file) {
  const std::string_view bytes(data);
  const SafeTensors content = read_safetensors(std::as_bytes(std::span(bytes)), file);
  py::dict tensors;
  for (const Tensor& tensor : content.tensors) {
    const std::vector<py::ssize_t> shape(tensor.shape.begin(), tensor.shape.end());
    if (tensor.dtype == TensorType::float32) {
      tensors[py::str(tensor.name)] = py::array_t<float>(shape, tensor.values<float>().data());
    } else {
      tensors[py::str(tensor.name)] = py::array_t<double>(shape, tensor.values<double>().data());
    }
  }
  return tensors;
}

void bind_progress(py::module_& module) {
  using Progress = nn::TrainingProgress;
  py::class_<Progress>(module, "TrainingProgress", "Where a training is.")
      .def_readonly("epoch", &Progress::epoch, "Counted from 1.")
      .def_readonly("n_epochs", &Progress::n_epochs, "At most.")
      .def_readonly("batch", &Progress::batch, "Counted from 1 within the epoch.")
      .def_readonly("n_batches", &Progress::n_batches, "Per epoch.")
      .def_readonly("training_loss", &Progress::training_loss, "Of the epoch so far.")
      .def_readonly("validation_loss", &Progress::validation_loss,
                    "With the last batch of an epoch, else None.")
      .def_readonly("seconds", &Progress::seconds, "Since the training began.");
}

}  // namespace

void bind_lstm_autoencoder(py::module_& module) {
  bind_progress(module);
  py::class_<LstmModel>(module, "LstmAutoencoderModel", "A trained model: immutable.")
      .def_static(
          "check",
          [](const py::dict& parameters) { (void)read_backend<LstmAutoencoder>(parameters); },
          "parameters"_a, "check(parameters)\n--\n\nRaise unless all are valid.")
      .def_static("fit", &fit, "parameters"_a, "rows"_a, "is_series"_a, "seed"_a,
                  "previous"_a = py::none(), "on_progress"_a = py::none(), "names"_a = py::none(),
                  "fit(parameters, rows, is_series, seed, previous=None, on_progress=None, "
                  "names=None)\n--\n\n")
      .def_static("from_tensors", &from_tensors, "parameters"_a, "tensors"_a, "center"_a, "scale"_a,
                  "from_tensors(parameters, tensors, center, scale)\n--\n\n")
      .def("score", &score, "rows"_a, "is_series"_a, "n_threads"_a = 1, "names"_a = py::none(),
           "score(self, rows, is_series, n_threads=1, names=None)\n--\n\n")
      .def("squared_errors", &squared_errors, "rows"_a, "is_series"_a, "names"_a = py::none(),
           "squared_errors(self, rows, is_series, names=None)\n--\n\n")
      .def("reconstruct", &reconstruct, "rows"_a, "is_series"_a, "names"_a = py::none(),
           "reconstruct(self, rows, is_series, names=None)\n--\n\n")
      .def("tensors", &tensors, "tensors(self)\n--\n\nThe parameters in PyTorch's layout, by name.")
      .def("history", &history, "history(self)\n--\n\nThe losses of every epoch.")
      .def(
          "training_scores",
          [](const LstmModel& model) { return copy_of(model.training_scores()); },
          "training_scores(self)\n--\n\nThe errors of the windows it was trained on.")
      .def("with_training_scores", &LstmModel::with_training_scores, "scores"_a,
           "with_training_scores(self, scores)\n--\n\n")
      .def(
          "center", [](const LstmModel& model) { return copy_of(model.scaler().center()); },
          "center(self)\n--\n\n")
      .def(
          "scale", [](const LstmModel& model) { return copy_of(model.scaler().scale()); },
          "scale(self)\n--\n\n")
      .def_property_readonly("window", &LstmModel::window, "Rows per window.")
      .def_property_readonly("n_columns", &LstmModel::n_columns, "Columns of a row.")
      .def_property_readonly("n_features", &LstmModel::n_features, "Values per window.")
      .def(py::pickle(&to_bytes<LstmModel>, &from_bytes<LstmModel>));
  module.def("save_bundle", &save, "path"_a, "model"_a, "parameters"_a, "columns"_a, "threshold"_a,
             "percentile"_a, "n_rows"_a, "statistics"_a, "seed"_a, "created"_a = py::none(),
             "save_bundle(path, model, parameters, columns, threshold, percentile, n_rows, "
             "statistics, seed, created=None)\n--\n\n");
  module.def("load_bundle", &load, "path"_a, "load_bundle(path)\n--\n\n");
  module.def("column_statistics", &statistics_of, "rows"_a, "column_statistics(rows)\n--\n\n");
  module.def("read_safetensors", &read_tensor_file, "data"_a, "file"_a,
             "read_safetensors(data, file)\n--\n\n");
  module.def(
      "instruction_set", [] { return std::string(to_string(nn::best_instruction_set())); },
      "instruction_set()\n--\n\nWhich of the processor's instructions the LSTM uses.");
}

}  // namespace freshet::python
