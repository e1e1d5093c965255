#include "points.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind.hpp"
#include "detector_helpers.hpp"
#include "records_json.hpp"
#include "results.hpp"

namespace py = pybind11;
using namespace pybind11::literals;

namespace freshet::python {

namespace {

static_assert(std::endian::native == std::endian::little, "the journal's numbers are so");

void append(std::string& text, double value) {
  std::array<char, 32> digits;  // NOLINT(*-member-init)
  const std::to_chars_result end = std::to_chars(digits.data(), digits.data() + 32, value);
  text.append(digits.data(), end.ptr);
}

void append_numbers(std::string& bytes, std::span<const double> values) {
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

py::bytes encode_batch(const py::object& values, const py::object& names,
                       const std::optional<BatchTimes::Array>& timestamps, double received_at) {
  const ReadBatch read(values, names);
  const BatchTimes times(timestamps, read.batch().rows.n_rows());
  return py::bytes(encode_rows(read.batch(), times.view(), received_at));
}

}  // namespace

std::string encode_rows(const Batch& batch, std::span<const double> timestamps,
                        double received_at) {
  const MatrixView rows = batch.rows;
  std::string header = R"({"kind":"rows","columns":)";
  if (batch.names.empty()) {
    header += "null";
  } else {
    header += nlohmann::json(batch.names).dump();
  }
  header += R"(,"received_at":)";
  append(header, received_at);
  header += R"(,"shape":[)" + std::to_string(rows.n_rows()) + ',' +
            std::to_string(rows.n_columns()) + ']';
  if (!timestamps.empty()) header += R"(,"n_timestamps":)" + std::to_string(timestamps.size());
  header += '}';

  const auto size = static_cast<std::uint32_t>(header.size());
  std::string bytes;
  bytes.reserve(sizeof(size) + header.size() +
                (rows.n_rows() * rows.n_columns() + timestamps.size()) * sizeof(double));
  bytes.append(reinterpret_cast<const char*>(&size), sizeof(size));
  bytes += header;
  for (std::size_t i = 0; i < rows.n_rows(); ++i) append_numbers(bytes, rows.row(i));
  append_numbers(bytes, timestamps);
  return bytes;
}

Point::Point(const py::tuple& given)
    : stream_id_(given[0].cast<std::string_view>()),
      read_(given[1], given[2]),
      received_at_(given[3].cast<double>()) {}

void Point::process(Session& session) { session.process_many(read_.batch(), {&result_, 1}, {}); }

void Point::write() {
  event_ = encode_rows(read_.batch(), {}, received_at_);
  json_ = to_json({&result_, 1});
}

py::object Point::take() const {
  if (event_.empty()) return py::none();
  RecordBytes records(1);
  records.results[0] = result_;
  return py::make_tuple(py::bytes(event_), summary(records), py::bytes(json_));
}

void bind_points(py::module_& module) {
  module.def("encode_rows", &encode_batch, "values"_a, "columns"_a, "timestamps"_a, "received_at"_a,
             "encode_rows(values, columns, timestamps, received_at)\n--\n\n"
             "An array of rows as the journal of the service keeps it.");
}

}  // namespace freshet::python
