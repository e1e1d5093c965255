#include "records_json.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>

#include "bind.hpp"
#include "freshet/core/result.hpp"

/// @file
/// Verdicts as the service answers them, in a third of the time that Python takes to make an object
/// of each and orjson to write them.

namespace py = pybind11;
using namespace pybind11::literals;

namespace freshet::python {

namespace {

class Writer {
 public:
  void text(std::string_view text) { out_.append(text); }

  template <class T>
    requires std::is_arithmetic_v<T>
  void number(T value) {
    std::array<char, 32> digits;
    const std::to_chars_result end = std::to_chars(digits.data(), digits.data() + 32, value);
    const std::string_view written(digits.data(),
                                   static_cast<std::size_t>(end.ptr - digits.data()));
    out_.append(written);
    if constexpr (std::is_floating_point_v<T>) {
      // So that readers who tell integers from floats always get a float.
      if (written.find_first_of(".e") == std::string_view::npos) out_.append(".0");
    }
  }

  /// JSON has no other way to say that there is no such number.
  void number_or_null(bool exists, double value) {
    if (exists && std::isfinite(value)) {
      number(value);
    } else {
      text("null");
    }
  }

  [[nodiscard]] std::string written() && noexcept { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace

std::string to_json(std::span<const Result> results) {
  Writer writer;
  writer.text("[");
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Result& result = results[i];
    writer.text(i == 0 ? R"({"index":)" : R"(,{"index":)");
    writer.number(i);
    writer.text(R"(,"score":)");
    writer.number_or_null(result.scored, result.score);
    writer.text(R"(,"is_anomaly":)");
    writer.text(!result.scored ? "null" : result.is_anomaly ? "true" : "false");
    writer.text(R"(,"raw_score":)");
    writer.number_or_null(result.scored, result.raw_score);
    writer.text(R"(,"samples_until_ready":)");
    writer.number(result.samples_until_ready);
    writer.text("}");
  }
  writer.text("]");
  return std::move(writer).written();
}

namespace {

py::bytes records_json(const py::bytes& records) {
  const std::string_view view = records;
  std::vector<Result> results(view.size() / sizeof(Result));
  std::memcpy(results.data(), view.data(), results.size() * sizeof(Result));
  std::string written;
  {
    std::optional<py::gil_scoped_release> release;
    // To give Python's lock away and to get it back takes longer than a few rows.
    constexpr std::size_t few_rows = 32;
    if (results.size() > few_rows) release.emplace();
    written = to_json(results);
  }
  return py::bytes(written);
}

}  // namespace

void bind_records_json(py::module_& module) {
  module.def("records_json", &records_json, "records"_a,
             "records_json(records)\n--\n\nBytes of ResultBatch.records as JSON.");
}

}  // namespace freshet::python
