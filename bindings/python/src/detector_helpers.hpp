#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <nlohmann/json.hpp>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "freshet/io/trained_model.hpp"
#include "freshet/stream/statistics.hpp"
#include "json.hpp"
#include "rows.hpp"
#include "session.hpp"

/// @file
/// What the bindings of one detector and of many share.

namespace freshet::python {

[[nodiscard]] inline pybind11::dict to_python(const Statistics& stats) {
  using namespace pybind11::literals;
  pybind11::dict fields(
      "status"_a = std::string(to_string(stats.status)), "model_version"_a = stats.model_version,
      "samples_collected"_a = stats.samples_collected, "total_processed"_a = stats.total_processed,
      "samples_since_retrain"_a = stats.samples_since_retrain,
      "samples_until_ready"_a = stats.samples_until_ready, "dropped"_a = stats.dropped,
      "failed_retrains"_a = stats.failed_retrains, "last_error"_a = pybind11::none(),
      "last_fit_seconds"_a = pybind11::none(), "threshold"_a = pybind11::none());
  if (!stats.last_error.empty()) fields["last_error"] = stats.last_error;
  if (stats.is_ready()) {
    fields["last_fit_seconds"] = stats.last_fit_seconds;
    fields["threshold"] = stats.threshold;
  }
  return fields;
}

/// (contributions, Score)
[[nodiscard]] inline pybind11::tuple to_python(const ExplainedScore& explained) {
  return pybind11::make_tuple(pybind11::cast(explained.contributions), explained.score);
}

[[nodiscard]] inline pybind11::bytes to_python(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Valid without the GIL, for as long as `data` lives.
[[nodiscard]] inline std::span<const std::byte> view_of(const pybind11::bytes& data) {
  char* text = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(data.ptr(), &text, &size) != 0) throw pybind11::error_already_set();
  return std::as_bytes(std::span(text, static_cast<std::size_t>(size)));
}

[[nodiscard]] inline Session restore_session(const pybind11::bytes& data) {
  const std::span<const std::byte> bytes = view_of(data);
  const pybind11::gil_scoped_release release;
  return Session::restore(bytes);
}

/// A new detector: with a model, one that begins with it.
[[nodiscard]] inline Session make_session(const pybind11::dict& settings,
                                          const TrainedModel* model) {
  const nlohmann::json json = to_json(settings, "");
  return model == nullptr ? Session(json) : Session(*model, json);
}

/// The timestamps of a batch: none, or one for each row.
class BatchTimes {
 public:
  using Array = pybind11::array_t<double, pybind11::array::c_style | pybind11::array::forcecast>;

  /// @throws DataError when there are more or fewer than rows.
  BatchTimes(const std::optional<Array>& times, std::size_t n_rows) {
    if (!times) return;
    require_timestamps(*times, n_rows);
    times_ = *times;
    view_ = {times_.data(), n_rows};
  }

  [[nodiscard]] std::span<const double> view() const noexcept { return view_; }

 private:
  Array times_;
  std::span<const double> view_;
};

}  // namespace freshet::python
