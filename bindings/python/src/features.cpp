#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind.hpp"
#include "freshet/core/columns.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/features/feature_map.hpp"
#include "freshet/io/json_fields.hpp"
#include "json.hpp"
#include "rows.hpp"

/// @file
/// Rolling and lag features, and the order of columns.

namespace py = pybind11;
using namespace pybind11::literals;

namespace freshet::python {

namespace {

/// A FeatureMap for several threads; as in Detector, none waits for the mutex with the GIL.
class Features {
 public:
  explicit Features(FeatureMap map) : map_(std::move(map)) {}

  py::array_t<double> process_many(const py::array_t<double>& rows,
                                   const std::vector<std::string>& names) {
    const ReadMatrix read(rows);
    const MatrixView view = read.view();
    const std::size_t width = map_.n_features();
    py::array_t<double> features({view.n_rows(), width});
    double* out = features.mutable_data();
    const py::gil_scoped_release release;
    require_rows(view, map_.n_columns(), names);
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < view.n_rows(); ++i, out += width) {
      map_.transform(view.row(i), {out, width});
      map_.update(view.row(i));
    }
    return features;
  }

  void reset() {
    const py::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    map_.reset();
  }

  [[nodiscard]] std::vector<std::string> names(const std::vector<std::string>& columns) const {
    return map_.names(columns);
  }

 private:
  std::mutex mutex_;
  FeatureMap map_;
};

std::unique_ptr<Features> make_features(const py::dict& settings) {
  std::size_t n_columns = 0;
  std::vector<std::size_t> windows;
  std::vector<std::size_t> periods;
  const nlohmann::json json = to_json(settings, "");
  JsonReader reader(json);
  reader("n_columns", n_columns);
  reader("rolling_windows", windows);
  reader("lag_periods", periods);
  reader.require_all_known();
  return std::make_unique<Features>(FeatureMap(n_columns, std::move(windows), std::move(periods)));
}

std::vector<std::size_t> column_order(std::vector<std::string> columns,
                                      const std::vector<std::string>& given) {
  return Columns(std::move(columns)).order(given);
}

}  // namespace

void bind_features(py::module_& module) {
  py::class_<Features>(module, "Features", "Rolling features; see freshet.RollingFeatures.")
      .def(py::init(&make_features), "settings"_a, "__init__(self, settings)\n--\n\n")
      .def("process_many", &Features::process_many, "rows"_a, "names"_a,
           "process_many(self, rows, names)\n--\n\n")
      .def("reset", &Features::reset, "reset(self)\n--\n\n")
      .def("names", &Features::names, "columns"_a, "names(self, columns)\n--\n\n");
  module.def("column_order", &column_order, "columns"_a, "given"_a,
             "column_order(columns, given)\n--\n\n"
             "Of every given name the place among the columns.");
}

}  // namespace freshet::python
