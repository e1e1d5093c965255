#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind.hpp"
#include "detector_helpers.hpp"
#include "freshet/core/result.hpp"
#include "freshet/io/trained_model.hpp"
#include "json.hpp"
#include "results.hpp"
#include "rows.hpp"
#include "session.hpp"

/// @file
/// One detector, safe to use from many Python threads.

namespace py = pybind11;
using namespace pybind11::literals;

namespace freshet::python {

namespace {

/// A session behind a mutex. No thread ever waits for the mutex while it holds the GIL, so that
/// the one who has the mutex can always get the GIL.
class Detector {
 public:
  explicit Detector(Session session) : session_(std::move(session)) {}

  Result process(py::handle row, py::handle timestamp) {
    ReadRow read(row);
    const std::optional<double> time = read_timestamp(timestamp);
    // A row takes less time than giving the GIL away and getting it back, so it is kept unless
    // there is something to wait for.
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock() && !session_.may_train()) return session_.process(read.row(), time);
    const py::gil_scoped_release release;
    // Unlocked here, before the GIL is waited for.
    std::unique_lock own = lock.owns_lock() ? std::move(lock) : std::unique_lock(mutex_);
    return session_.process(read.row(), time);
  }

  py::array process_many(const py::object& rows, const py::object& names,
                         const std::optional<BatchTimes::Array>& timestamps) {
    const ReadBatch read(rows, names);
    const BatchTimes times(timestamps, read.batch().rows.n_rows());
    const Records records(read.batch().rows.n_rows());
    locked([&] { session_.process_many(read.batch(), records.results, times.view()); });
    return records.take();
  }

  void check(const py::object& rows, const py::object& names,
             const std::optional<BatchTimes::Array>& timestamps) {
    const ReadBatch read(rows, names);
    const BatchTimes times(timestamps, read.batch().rows.n_rows());
    locked([&] { session_.check(read.batch(), times.view()); });
  }

  Score score(py::handle row) {
    ReadRow read(row);
    return locked([&] { return session_.score(read.row()); });
  }

  py::tuple explain(py::handle row) {
    ReadRow read(row);
    return to_python(locked([&] { return session_.explain(read.row()); }));
  }

  py::dict stats() {
    return to_python(locked([&] { return session_.stats(); }));
  }

  void retrain() {
    locked([&] { session_.retrain(); });
  }

  void reset() {
    locked([&] { session_.reset(); });
  }

  std::optional<AnyTraining> training() {
    return locked([&] { return session_.training(); });
  }

  bool publish(const TrainedModel& model) {
    return locked([&] { return session_.publish(model); });
  }

  bool abandon_training(std::string_view why, std::optional<std::uint64_t> number) {
    return locked([&] { return session_.abandon_training(why, number); });
  }

  // Waits without the mutex, so that other threads go on.
  void wait() {
    const py::gil_scoped_release release;
    for (;;) {
      std::function<void()> waiter;
      {
        const std::lock_guard lock(mutex_);
        session_.adopt();
        waiter = session_.waiter();
      }
      if (!waiter) return;
      waiter();
    }
  }

  py::bytes snapshot() {
    return to_python(locked([&] { return session_.snapshot(); }));
  }

  bool has_schema() const noexcept { return session_.has_schema(); }

  py::object settings() {
    return from_json(locked([&] { return session_.settings(); }));
  }

  std::vector<std::string> columns() {
    return locked([&] { return session_.columns(); });
  }

  std::vector<std::string> feature_names() {
    return locked([&] { return session_.feature_names(); });
  }

  std::vector<std::size_t> feature_columns() {
    return locked([&] { return session_.feature_columns(); });
  }

 private:
  template <class Use>
  std::invoke_result_t<const Use&> locked(const Use& use) {
    const py::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    return use();
  }

  std::mutex mutex_;
  Session session_;
};

}  // namespace

void bind_detector(py::module_& module) {
  py::class_<Detector>(module, "Detector", "A streaming detector; see freshet.StreamingDetector.")
      .def(py::init([](const py::dict& settings, const TrainedModel* model) {
             return std::make_unique<Detector>(make_session(settings, model));
           }),
           "settings"_a, "model"_a = py::none(), "__init__(self, settings, model=None)\n--\n\n")
      .def_static(
          "restore",
          [](const py::bytes& data) { return std::make_unique<Detector>(restore_session(data)); },
          "data"_a, "restore(data)\n--\n\n")
      .def("process", &Detector::process, "row"_a, "timestamp"_a = py::none(),
           "process(self, row, timestamp=None)\n--\n\n")
      .def("process_many", &Detector::process_many, "rows"_a, "names"_a = py::none(),
           "timestamps"_a = py::none(),
           "process_many(self, rows, names=None, timestamps=None)\n--\n\n")
      .def("check", &Detector::check, "rows"_a, "names"_a = py::none(), "timestamps"_a = py::none(),
           "check(self, rows, names=None, timestamps=None)\n--\n\n")
      .def("score", &Detector::score, "row"_a, "score(self, row)\n--\n\n")
      .def("explain", &Detector::explain, "row"_a, "explain(self, row)\n--\n\n")
      .def("stats", &Detector::stats, "stats(self)\n--\n\n")
      .def("retrain", &Detector::retrain, "retrain(self)\n--\n\n")
      .def("reset", &Detector::reset, "reset(self)\n--\n\n")
      .def("training", &Detector::training, "training(self)\n--\n\n")
      .def("publish", &Detector::publish, "model"_a, "publish(self, model)\n--\n\n")
      .def("abandon_training", &Detector::abandon_training, "why"_a, "version"_a = py::none(),
           "abandon_training(self, why, version=None)\n--\n\n")
      .def("wait", &Detector::wait, "wait(self)\n--\n\n")
      .def("snapshot", &Detector::snapshot, "snapshot(self)\n--\n\n")
      .def("has_schema", &Detector::has_schema, "has_schema(self)\n--\n\n")
      .def("settings", &Detector::settings, "settings(self)\n--\n\n")
      .def("columns", &Detector::columns, "columns(self)\n--\n\n")
      .def("feature_names", &Detector::feature_names, "feature_names(self)\n--\n\n")
      .def("feature_columns", &Detector::feature_columns, "feature_columns(self)\n--\n\n");
}

}  // namespace freshet::python
