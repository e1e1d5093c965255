#include "freshet/io/trained_model.hpp"

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <future>
#include <span>
#include <string>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "bind.hpp"
#include "detector_helpers.hpp"
#include "freshet/io/bundle.hpp"
#include "freshet/io/snapshot.hpp"
#include "json.hpp"

/// @file
/// Trained models that detectors share, and trainings that the host runs.

namespace py = pybind11;
using namespace pybind11::literals;

namespace freshet::python {

namespace {

/// Copies a model, too, without Python's lock, for which all that are scored would wait.
py::bytes to_bytes(const TrainedModel& model) {
  std::vector<std::byte> bytes;
  {
    const py::gil_scoped_release release;
    bytes = freshet::snapshot(model);
  }
  auto result = py::reinterpret_steal<py::bytes>(
      PyBytes_FromStringAndSize(nullptr, static_cast<py::ssize_t>(bytes.size())));
  if (!result) throw py::error_already_set();
  char* const text = PyBytes_AS_STRING(result.ptr());
  {
    const py::gil_scoped_release release;
    std::memcpy(text, bytes.data(), bytes.size());
  }
  return result;
}

TrainedModel from_bytes(const py::bytes& data) {
  const std::span<const std::byte> bytes = view_of(data);
  const py::gil_scoped_release release;
  return freshet::restore<TrainedModel>(bytes);
}

void bind_model(py::module_& module) {
  py::class_<TrainedModel> type(module, "TrainedModel", R"doc(A trained model, apart from a stream.

Made by `Training.run`, `from_bundle` or `from_bytes`. Immutable: streams that begin with it or
publish it share its memory.)doc");
  type.attr("__module__") = "freshet";
  type.def_static(
          "from_bundle",
          [](const std::filesystem::path& path) { return trained_model(load_bundle(path)); },
          "path"_a, py::call_guard<py::gil_scoped_release>(),
          R"doc(from_bundle(path)
--

The model of a bundle, with version 1.

Parameters
----------
path : path
    A directory written by ``LSTMAutoencoder.save``, ``freshet train`` or the C++ library.

Raises
------
ModelFileError
    If the bundle is missing, damaged, or of another version; says what is wrong.)doc")
      .def_static("from_bytes", &from_bytes, "data"_a, R"doc(from_bytes(data)
--

The model that `to_bytes` turned to bytes, in this or another process or machine.

Raises
------
SnapshotError
    If the bytes are truncated, damaged, of another format, or no model.)doc")
      .def("to_bytes", &to_bytes, R"doc(to_bytes(self)
--

The model as bytes with a checksum, for `from_bytes`.)doc")
      .def("with_version", &TrainedModel::with_version, "version"_a,
           R"doc(with_version(self, version)
--

The same model under another number, in the same memory.

A stream whose active model has the version `v` takes over models of the version ``v + 1`` only.

Raises
------
ConfigurationError
    If `version` is 0.)doc")
      .def_property_readonly("version", &TrainedModel::version, "Counted from 1 within a stream.")
      .def_property_readonly("backend", &TrainedModel::backend,
                             "The identifier of the detection method.")
      .def_property_readonly(
          "columns",
          [](const TrainedModel& model) -> py::object {
            const std::vector<std::string>& columns = model.config().columns;
            return columns.empty() ? py::object(py::none()) : py::tuple(py::cast(columns));
          },
          "The names of the columns that it was trained on; None if they had none.")
      .def_property_readonly(
          "settings",
          [](const TrainedModel& model) {
            py::object settings = from_json(model.settings());
            if (model.config().columns.empty()) settings["columns"] = py::none();
            return settings;
          },
          "The settings of the detector that it was trained for: what one that begins with it has "
          "by default.")
      .def(
          "__repr__",
          [](const TrainedModel& model) {
            return py::str("<TrainedModel backend={!r} version={}>")
                .format(model.backend(), model.version());
          },
          "__repr__(self)\n--\n\n")
      .def(py::pickle(&to_bytes, &from_bytes));
}

/// Lets the calling thread run only while a processor has nothing else to do. A thread of the
/// lowest nice value keeps the processor to the end of its turn, some milliseconds, from one that
/// wakes; this one gives it up at once.
void leave_processor_to_others() {
#ifdef __linux__
  const sched_param none{};
  // Where it is forbidden, the priority stays the caller's.
  static_cast<void>(sched_setscheduler(0, SCHED_IDLE, &none));
#endif
}

/// Trains in a thread of its own. The caller's, which has to get Python's lock when the training
/// has ended, has slept meanwhile: a scheduler lets it go on at once, as it does not one that has
/// used up its share of the processor, and which would keep the lock while it waits for the next.
TrainedModel run_apart(const AnyTraining& training, bool only_when_idle) {
  return std::async(std::launch::async,
                    [&training, only_when_idle] {
                      if (only_when_idle) leave_processor_to_others();
                      return training.run();
                    })
      .get();
}

void bind_training(py::module_& module) {
  py::class_<AnyTraining> type(module, "Training", R"doc(A training that waits for the host.

Handed out by a detector with ``retrain="hosted"``. It has a copy of all it needs, and may be run in
any thread, more than once, whatever has become of the detector meanwhile.)doc");
  type.attr("__module__") = "freshet";
  type.def_property_readonly("version", &AnyTraining::version, "The version of what it yields.")
      .def("run", &run_apart, py::kw_only(), "only_when_idle"_a = false,
           py::call_guard<py::gil_scoped_release>(), R"doc(run(self, *, only_when_idle=False)
--

Train, in this call; other Python threads go on.

Parameters
----------
only_when_idle : bool, default False
    The work is done by a thread of its own with the priority of the caller's. On Linux, if this is
    true, by one that runs while a processor has nothing else to do (``SCHED_IDLE``): it takes longer
    on a busy machine, and hardly delays what else runs there.

Returns
-------
TrainedModel
    What `publish` makes the active model. The same every time, but for how long it took.

Raises
------
FitError
    If no model can be made of the rows, or because of `cancel`.)doc")
      .def("same_as", &AnyTraining::same_as, "other"_a, R"doc(same_as(self, other)
--

Whether another training is of the same version and trains on the same rows.

A host that has reset a detector meanwhile can tell by it whether the training that it ran is still
the one that the detector waits for: versions begin again after a reset.

Parameters
----------
other : Training

Returns
-------
bool)doc")
      .def("cancel", &AnyTraining::cancel, R"doc(cancel(self)
--

End `run` early, the one that is running and those to come, with a FitError.

Only backends whose trainings take long heed it: "lstm_autoencoder",
"autoencoder" and "one_class_svm".)doc")
      .def(
          "__repr__",
          [](const AnyTraining& training) {
            return py::str("<Training version={}>").format(training.version());
          },
          "__repr__(self)\n--\n\n");
}

}  // namespace

void bind_trained_model(py::module_& module) {
  bind_model(module);
  bind_training(module);
}

}  // namespace freshet::python
