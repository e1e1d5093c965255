#include "results.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/result.hpp"
#include "freshet/stream/generation.hpp"

/// @file
/// Verdicts: one as an object, many as a structured array.

namespace py = pybind11;
using namespace pybind11::literals;

namespace freshet::python {

namespace {

template <class T>
std::optional<T> if_scored(const Result& result, T value) {
  return result.scored ? std::optional<T>(value) : std::nullopt;
}

std::optional<double> score(const Result& result) { return if_scored(result, result.score); }
std::optional<double> raw_score(const Result& result) {
  return if_scored(result, result.raw_score);
}
std::optional<bool> is_anomaly(const Result& result) {
  return if_scored(result, result.is_anomaly);
}
std::optional<bool> alarm(const Result& result) { return if_scored(result, result.alarm); }
std::string status(const Result& result) { return std::string(to_string(result.status)); }

py::dict to_dict(const Result& result) {
  return py::dict("index"_a = result.index, "score"_a = score(result),
                  "raw_score"_a = raw_score(result), "is_anomaly"_a = is_anomaly(result),
                  "alarm"_a = alarm(result), "status"_a = status(result),
                  "samples_until_ready"_a = result.samples_until_ready,
                  "model_version"_a = result.model_version);
}

py::str represent(const Result& result) {
  return py::str(
             "Result(index={index}, score={score}, raw_score={raw_score}, is_anomaly={is_anomaly}, "
             "alarm={alarm}, status={status!r}, samples_until_ready={samples_until_ready}, "
             "model_version={model_version})")
      .format(**to_dict(result));
}

// Everything that tells results apart; NaN as bits, so that unscored results can be equal.
auto identity(const Result& result) {
  return std::tuple(
      result.scored, result.is_anomaly, result.alarm, static_cast<std::uint8_t>(result.status),
      std::bit_cast<std::uint64_t>(result.score), std::bit_cast<std::uint64_t>(result.raw_score),
      result.samples_until_ready, result.model_version, result.index);
}

bool equal(const Result& a, const Result& b) { return identity(a) == identity(b); }

py::tuple get_state(const Result& result) {
  return py::make_tuple(result.scored, result.is_anomaly, result.alarm,
                        static_cast<std::uint8_t>(result.status), result.score, result.raw_score,
                        result.samples_until_ready, result.model_version, result.index);
}

Result set_state(const py::tuple& state) {
  Result result;
  result.scored = state[0].cast<bool>();
  result.is_anomaly = state[1].cast<bool>();
  result.alarm = state[2].cast<bool>();
  result.status = static_cast<Status>(state[3].cast<std::uint8_t>());
  result.score = state[4].cast<double>();
  result.raw_score = state[5].cast<double>();
  result.samples_until_ready = state[6].cast<std::size_t>();
  result.model_version = state[7].cast<std::uint64_t>();
  result.index = state[8].cast<std::uint64_t>();
  return result;
}

Result result_at(const py::array_t<Result>& records, py::ssize_t index) {
  return records.at(index);
}

void bind_result(py::module_& module) {
  py::class_<Result> type(module, "Result", R"doc(The verdict on one row.

While there is no model, ``score``, ``raw_score``, ``is_anomaly`` and ``alarm`` are None.)doc");
  type.attr("__module__") = "freshet";
  type.def_property_readonly("score", &score,
                             "The normalized score; larger is more abnormal. None in cold start.")
      .def_property_readonly(
          "raw_score", &raw_score,
          "The backend's own score; larger is more abnormal. None in cold start.")
      .def_property_readonly("is_anomaly", &is_anomaly,
                             "Whether the score is above the threshold. None in cold start.")
      .def_property_readonly(
          "alarm", &alarm,
          "Whether the row is worth waking someone; equals is_anomaly without an alarm policy. "
          "None in cold start.")
      .def_property_readonly("status", &status,
                             "\"collecting\", \"ready\" or \"retraining\", after this row.")
      .def_readonly("samples_until_ready", &Result::samples_until_ready,
                    "Rows still to come before the first training; 0 from then on.")
      .def_readonly("model_version", &Result::model_version,
                    "The version of the model that scored the row, counted from 1; 0 without one.")
      .def_readonly("index", &Result::index,
                    "The row's position in the stream since the start or the last reset, from 0.")
      .def("to_dict", &to_dict, "to_dict(self)\n--\n\nThe attributes as a dict, ready for JSON.")
      .def("__repr__", &represent, "__repr__(self)\n--\n\n")
      .def("__eq__", &equal, py::is_operator(), "__eq__(self, other)\n--\n\n")
      .def(py::pickle(&get_state, &set_state));
}

void bind_score(py::module_& module) {
  py::class_<Score> type(module, "Score", R"doc(What a row would score if it came next.

Converts to float as its ``score``.)doc");
  type.attr("__module__") = "freshet";
  type.def_readonly("score", &Score::score, "The normalized score; larger is more abnormal.")
      .def_readonly("raw_score", &Score::raw_score,
                    "The backend's own score; larger is more abnormal.")
      .def_readonly("is_anomaly", &Score::is_anomaly, "Whether the score is above the threshold.")
      .def(
          "__float__", [](const Score& verdict) { return verdict.score; },
          "__float__(self)\n--\n\n")
      .def(
          "__repr__",
          [](const Score& verdict) {
            return py::str("Score(score={}, raw_score={}, is_anomaly={})")
                .format(verdict.score, verdict.raw_score, verdict.is_anomaly);
          },
          "__repr__(self)\n--\n\n");
}

// What is between the flags and the numbers has whatever value it had in memory.
void clear_padding(std::span<Result> results) noexcept {
  constexpr std::size_t end_of_flags = offsetof(Result, status) + sizeof(Status);
  static_assert(sizeof(Result) == offsetof(Result, index) + sizeof(Result::index));
  for (Result& result : results) {
    std::memset(reinterpret_cast<std::byte*>(&result) + end_of_flags, 0,
                offsetof(Result, score) - end_of_flags);
  }
}

}  // namespace

Records::Records(std::size_t n)
    : array(py::array_t<Result>(static_cast<py::ssize_t>(n))),
      results(static_cast<Result*>(array.mutable_data()), n) {}

py::array Records::take() const {
  clear_padding(results);
  return array;
}

RecordBytes::RecordBytes(std::size_t n) : bytes(nullptr, n * sizeof(Result)) {
  // Python aligns what bytes hold as malloc does, but for an offset that is a multiple of 16.
  auto* const first = reinterpret_cast<Result*>(PyBytes_AS_STRING(bytes.ptr()));
  static_assert(offsetof(PyBytesObject, ob_sval) % alignof(Result) == 0);
  std::uninitialized_value_construct_n(first, n);
  results = {first, n};
}

py::bytes RecordBytes::take() const {
  clear_padding(results);
  return bytes;
}

py::tuple summary(const RecordBytes& records) {
  std::size_t n_scored = 0;
  std::size_t n_anomalies = 0;
  double max_score = -std::numeric_limits<double>::infinity();
  for (const Result& result : records.results) {
    if (!result.scored) continue;
    ++n_scored;
    n_anomalies += result.is_anomaly ? 1 : 0;
    max_score = std::max(max_score, result.score);
  }
  const Result last = records.results.empty() ? Result() : records.results.back();
  return py::make_tuple(records.take(), records.results.size(), n_scored, n_anomalies,
                        n_scored == 0 ? py::object(py::none()) : py::float_(max_score), last.scored,
                        last.is_anomaly, static_cast<int>(last.status), last.raw_score,
                        last.samples_until_ready, last.index);
}

void bind_results(py::module_& module) {
  PYBIND11_NUMPY_DTYPE(Result, scored, is_anomaly, alarm, status, score, raw_score,
                       samples_until_ready, model_version, index);
  bind_result(module);
  bind_score(module);
  module.attr("record_dtype") = py::dtype::of<Result>();
  module.def("result_at", &result_at, "records"_a, "index"_a,
             "result_at(records, index)\n--\n\nOne record of a batch as a Result.");
}

}  // namespace freshet::python
