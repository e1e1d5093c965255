#include "points.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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
  const Batch batch = read.batch();
  return py::bytes(encode_rows({&batch, 1}, times.view(), received_at));
}

}  // namespace

std::string encode_rows(std::span<const Batch> batches, std::span<const double> timestamps,
                        double received_at) {
  const Batch& first = batches.front();
  std::size_t n_rows = 0;
  for (const Batch& batch : batches) n_rows += batch.rows.n_rows();
  std::string header = R"({"kind":"rows","columns":)";
  if (first.names.empty()) {
    header += "null";
  } else {
    header += nlohmann::json(first.names).dump();
  }
  header += R"(,"received_at":)";
  append(header, received_at);
  header +=
      R"(,"shape":[)" + std::to_string(n_rows) + ',' + std::to_string(first.rows.n_columns()) + ']';
  if (!timestamps.empty()) header += R"(,"n_timestamps":)" + std::to_string(timestamps.size());
  header += '}';

  const auto size = static_cast<std::uint32_t>(header.size());
  std::string bytes;
  bytes.reserve(sizeof(size) + header.size() +
                (n_rows * first.rows.n_columns() + timestamps.size()) * sizeof(double));
  bytes.append(reinterpret_cast<const char*>(&size), sizeof(size));
  bytes += header;
  for (const Batch& batch : batches) {
    for (std::size_t i = 0; i < batch.rows.n_rows(); ++i) append_numbers(bytes, batch.rows.row(i));
  }
  append_numbers(bytes, timestamps);
  return bytes;
}

Point::Point(const py::tuple& given)
    : stream_id_(given[0].cast<std::string_view>()),
      read_(given[1], given[2]),
      received_at_(given[3].cast<double>()) {}

void Point::process(Session& session) {
  try {
    session.process_many(read_.batch(), {&result_.emplace(), 1}, {});
  } catch (const Error&) {
    result_.reset();
  }
}

bool Point::goes_with(const Point& other) const {
  return stream_id_ == other.stream_id_ &&
         std::ranges::equal(read_.batch().names, other.read_.batch().names);
}

Run::Run(const std::deque<std::optional<Point>>& points, std::vector<std::size_t> indices)
    : indices_(std::move(indices)) {
  std::vector<Batch> batches;
  for (const std::size_t i : indices_) {
    batches.push_back(points[i]->batch());
    results_.push_back(*points[i]->result());
    json_.push_back(to_json({&results_.back(), 1}));
  }
  event_ = encode_rows(batches, {}, points[indices_.back()]->received_at());
}

py::tuple Run::take() const {
  const auto summary_of = [](std::span<const Result> results) {
    const RecordBytes records(results.size());
    std::ranges::copy(results, records.results.begin());
    return summary(records);
  };
  py::list each;
  for (std::size_t i = 0; i < indices_.size(); ++i) {
    each.append(py::make_tuple(indices_[i], summary_of({&results_[i], 1}), py::bytes(json_[i])));
  }
  return py::make_tuple(py::bytes(event_), summary_of(results_), each);
}

std::vector<Run> runs_of(const std::deque<std::optional<Point>>& points) {
  std::vector<Run> runs;
  std::vector<std::size_t> indices;
  const auto end = [&] {
    if (!indices.empty()) runs.emplace_back(points, std::exchange(indices, {}));
  };
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!points[i] || !points[i]->result()) continue;
    if (!indices.empty() && !points[i]->goes_with(*points[indices.back()])) end();
    indices.push_back(i);
  }
  end();
  return runs;
}

void bind_points(py::module_& module) {
  module.def("encode_rows", &encode_batch, "values"_a, "columns"_a, "timestamps"_a, "received_at"_a,
             "encode_rows(values, columns, timestamps, received_at)\n--\n\n"
             "An array of rows as the journal of the service keeps it.");
}

}  // namespace freshet::python
