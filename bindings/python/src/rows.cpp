#include "rows.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "freshet/core/columns.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/validate.hpp"

namespace py = pybind11;

namespace freshet::python {

namespace {

std::string type_name(py::handle value) {
  return py::str(py::type::of(value).attr("__name__")).cast<std::string>();
}

// Throws the DataError for the Python error that reading a cell raised.
[[noreturn]] void throw_no_number(py::handle value, std::size_t row, std::size_t column,
                                  std::string_view name) {
  const bool too_large = PyErr_ExceptionMatches(PyExc_OverflowError) != 0;
  if (!too_large && PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw py::error_already_set();
  PyErr_Clear();
  RowFault fault{ErrorCode::value_out_of_range, row, column};
  const std::string field = name.empty() ? std::to_string(column) : std::string(name);
  if (too_large) throw to_error(fault, std::vector<std::string>(column + 1, field));
  throw DataError(ErrorCode::value_non_finite,
                  "row " + std::to_string(row) + ", column " + field + ": " + type_name(value) +
                      ", expected a finite number",
                  field, "a finite number", {row, column});
}

double read_number(PyObject* value, std::size_t row, std::size_t column,
                   std::string_view name = {}) {
  if (PyFloat_Check(value)) return PyFloat_AS_DOUBLE(value);
  const auto kept = py::reinterpret_borrow<py::object>(value);  // __float__ might drop it
  const double number = PyFloat_AsDouble(value);
  if (number == -1.0 && PyErr_Occurred() != nullptr) throw_no_number(kept, row, column, name);
  return number;
}

std::string_view read_name(PyObject* key, std::size_t row) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_Check(key) ? PyUnicode_AsUTF8AndSize(key, &size) : nullptr;
  if (text != nullptr) return {text, static_cast<std::size_t>(size)};
  PyErr_Clear();
  const auto shown = py::repr(py::handle(key)).cast<std::string>();
  throw DataError(ErrorCode::column_unknown,
                  "row " + std::to_string(row) + ": the column name " + shown + " is no string",
                  shown, "a string", {row, std::nullopt});
}

bool is_numeric(const py::array& array) {
  const char kind = array.dtype().kind();
  return kind == 'f' || kind == 'i' || kind == 'u' || kind == 'b';
}

DataError shape_error(const std::string& what, const std::string& expected, std::size_t row) {
  return {ErrorCode::width_mismatch,
          "row " + std::to_string(row) + " is " + what + ": expected " + expected,
          "row",
          expected,
          {row, std::nullopt}};
}

// A value's __float__ has changed the row that is being read.
DataError unsteady(std::size_t row) {
  return shape_error("changing its size", "a row that stays as it is", row);
}

}  // namespace

ReadRow::ReadRow(py::handle source, std::size_t index) {
  if (PyDict_Check(source.ptr())) {
    read_dict(source, index);
  } else if (PyList_Check(source.ptr()) || PyTuple_Check(source.ptr())) {
    read_sequence(source, index);
  } else if (py::isinstance<py::array>(source)) {
    read_array(py::reinterpret_borrow<py::array>(source), index);
  } else {
    throw shape_error("of type " + type_name(source), "a mapping, a sequence or a 1-D array",
                      index);
  }
}

void ReadRow::release_keys() noexcept {
  for (std::size_t i = 0; i < n_keys_; ++i) Py_DECREF(keys_[i]);
}

void ReadRow::read_dict(py::handle dict, std::size_t index) {
  const auto size = static_cast<std::size_t>(PyDict_GET_SIZE(dict.ptr()));
  if (size == 0) throw shape_error("empty", "at least one value", index);
  values_.resize(size);
  names_.resize(size);
  keys_.resize(size);
  try {
    Py_ssize_t position = 0;
    PyObject* key = nullptr;
    PyObject* value = nullptr;
    while (n_keys_ < size && PyDict_Next(dict.ptr(), &position, &key, &value) != 0) {
      const std::size_t column = n_keys_++;
      keys_[column] = Py_NewRef(key);
      names_[column] = read_name(key, index);
      values_[column] = read_number(value, index, column, names_[column]);
    }
    if (n_keys_ != size) throw unsteady(index);
  } catch (...) {
    release_keys();  // the destructor of an object half made does not run
    throw;
  }
}

void ReadRow::read_sequence(py::handle sequence, std::size_t index) {
  const auto size = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(sequence.ptr()));
  values_.resize(size);
  for (std::size_t i = 0; i < size; ++i) {
    // Looked up every time, since reading a value may change the list.
    if (static_cast<std::size_t>(PySequence_Fast_GET_SIZE(sequence.ptr())) != size) {
      throw unsteady(index);
    }
    PyObject* item = PySequence_Fast_GET_ITEM(sequence.ptr(), static_cast<Py_ssize_t>(i));
    values_[i] = read_number(item, index, i);
  }
}

void ReadRow::read_array(const py::array& array, std::size_t index) {
  if (array.ndim() != 1) {
    throw shape_error("an array of " + std::to_string(array.ndim()) + " dimensions", "a 1-D array",
                      index);
  }
  if (!py::isinstance<py::array_t<double>>(array) && !is_numeric(array)) {
    read_sequence(py::list(array), index);
    return;
  }
  const auto doubles = py::array_t<double>::ensure(array);
  if (!doubles) throw py::error_already_set();
  const auto* bytes = reinterpret_cast<const char*>(doubles.data());
  values_.resize(static_cast<std::size_t>(doubles.shape(0)));
  for (std::size_t i = 0; i < values_.size(); ++i, bytes += doubles.strides(0)) {
    std::memcpy(&values_[i], bytes, sizeof(double));  // it may be anywhere
  }
}

ReadMatrix::ReadMatrix(py::array_t<double> array) : array_(std::move(array)) {
  if (array_.ndim() != 2) {
    throw DataError(ErrorCode::width_mismatch,
                    "the rows are an array of " + std::to_string(array_.ndim()) +
                        " dimensions: expected 2, (rows, columns)",
                    "rows", "an array of 2 dimensions, (rows, columns)");
  }
  constexpr auto step = static_cast<py::ssize_t>(sizeof(double));
  const auto as_is = [](const py::array_t<double>& rows) {
    const bool aligned = reinterpret_cast<std::uintptr_t>(rows.data()) % alignof(double) == 0;
    return aligned && (rows.strides(1) == step || rows.shape(1) == 1) && rows.strides(0) >= 0 &&
           rows.strides(0) % step == 0;
  };
  if (!as_is(array_)) array_ = py::array_t<double, py::array::c_style>(array_.attr("copy")("C"));
  view_ = {array_.data(), static_cast<std::size_t>(array_.shape(0)),
           static_cast<std::size_t>(array_.shape(1)),
           static_cast<std::size_t>(array_.strides(0) / step)};
}

ReadBatch::ReadBatch(const py::object& rows, const py::object& names) {
  if (py::isinstance<py::list>(rows)) {
    read_rows(rows);
    return;
  }
  const ReadMatrix matrix{py::array_t<double>(rows)};
  keep_alive_ = matrix.array();
  view_ = matrix.view();
  if (!names.is_none()) names_ = names.cast<std::vector<std::string>>();
}

void ReadBatch::read_rows(const py::list& rows) {
  Columns columns;
  const std::size_t n_rows = rows.size();
  for (std::size_t i = 0; i < n_rows; ++i) {
    ReadRow read(rows[i], i);
    const Row row = read.row();
    if (i == 0) {
      copy_ = Matrix(n_rows, row.values.size());
      names_.assign(row.names.begin(), row.names.end());
      columns = Columns(names_);
    }
    if (row.names.empty() != names_.empty()) {
      throw shape_error(names_.empty() ? "a mapping" : "a sequence",
                        "the same kind of row as row 0", i);
    }
    if (std::equal(names_.begin(), names_.end(), row.names.begin(), row.names.end())) {
      if (row.values.size() != copy_.n_columns()) {
        throw to_error(
            RowFault{ErrorCode::width_mismatch, i, row.values.size(), copy_.n_columns()});
      }
      std::copy(row.values.begin(), row.values.end(), copy_.row(i).begin());
      continue;
    }
    const std::vector<std::string> given(row.names.begin(), row.names.end());
    const std::vector<std::size_t> order = columns.order(given, i);
    for (std::size_t j = 0; j < order.size(); ++j) copy_(i, order[j]) = row.values[j];
  }
  view_ = copy_;
}

std::optional<double> read_timestamp(py::handle timestamp) {
  if (timestamp.is_none()) return std::nullopt;
  return timestamp.cast<double>();
}

void require_timestamps(const py::array_t<double>& timestamps, std::size_t n_rows) {
  if (static_cast<std::size_t>(timestamps.size()) == n_rows && timestamps.ndim() == 1) return;
  const std::string expected = "one for each of the " + std::to_string(n_rows) + " rows";
  throw DataError(
      ErrorCode::width_mismatch,
      "there are " + std::to_string(timestamps.size()) + " timestamps: expected " + expected,
      "timestamps", expected);
}

}  // namespace freshet::python
