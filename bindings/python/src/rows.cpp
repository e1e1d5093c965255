#include "rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind.hpp"
#include "freshet/core/columns.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/features/cell.hpp"

namespace py = pybind11;
using namespace pybind11::literals;

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

// The text of a str; none when it is no Unicode.
std::optional<std::string_view> utf8(PyObject* text) {
  Py_ssize_t size = 0;
  const char* characters = PyUnicode_AsUTF8AndSize(text, &size);
  if (characters != nullptr) return std::string_view(characters, static_cast<std::size_t>(size));
  PyErr_Clear();
  return std::nullopt;
}

// The cell of a value whose number is `number`, if it is more than that.
std::optional<Cell> more_than(double number, PyObject* value) {
  if (PyBool_Check(value)) return value == Py_True;
  if (std::abs(number) >= 0x1.0p53 && PyIndex_Check(value)) {
    const auto integer = py::reinterpret_steal<py::object>(PyNumber_Index(value));
    if (!integer) throw py::error_already_set();
    int overflow = 0;
    const long long digits = PyLong_AsLongLongAndOverflow(integer.ptr(), &overflow);
    if (overflow == 0) return std::int64_t{digits};
  }
  if (!PyLong_Check(value) && (number == 0.0 || number == 1.0)) {
    const std::string_view type = Py_TYPE(value)->tp_name;
    if (type == "numpy.bool" || type == "numpy.bool_") return number == 1.0;
  }
  return std::nullopt;
}

std::string_view read_name(PyObject* key, std::size_t row) {
  if (PyUnicode_Check(key)) {
    if (const auto text = utf8(key)) return *text;
  }
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

double ReadRow::read_cell(PyObject* value, std::size_t row, std::size_t column,
                          std::string_view name) {
  if (PyFloat_Check(value)) return PyFloat_AS_DOUBLE(value);
  return read_no_float(value, row, column, name);
}

double ReadRow::read_no_float(PyObject* value, std::size_t row, std::size_t column,
                              std::string_view name) {
  auto kept = py::reinterpret_borrow<py::object>(value);  // __float__ might drop it
  if (PyUnicode_Check(value)) {
    const auto text = utf8(value);
    if (!text) {
      const std::string field = name.empty() ? std::to_string(column) : std::string(name);
      throw DataError(ErrorCode::value_non_finite,
                      "row " + std::to_string(row) + ", column " + field +
                          ": a string that is no Unicode, expected a number or text",
                      field, "a number or text", {row, column});
    }
    marked_.push_back({row, column, *text});
    texts_.push_back(std::move(kept));
    return std::numeric_limits<double>::quiet_NaN();
  }
  const double number = PyFloat_AsDouble(value);
  if (number == -1.0 && PyErr_Occurred() != nullptr) throw_no_number(kept, row, column, name);
  if (const auto cell = more_than(number, value)) marked_.push_back({row, column, *cell});
  return number;
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
      values_[column] = read_cell(value, index, column, names_[column]);
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
    values_[i] = read_cell(item, index, i);
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
    if (!names_.empty()) return;
  } else {
    const ReadMatrix matrix{py::array_t<double>(rows)};
    keep_alive_ = matrix.array();
    view_ = matrix.view();
  }
  if (names.is_none()) return;
  names_ = names.cast<std::vector<std::string>>();
  if (names_.size() != view_.n_columns()) {
    throw to_error(RowFault{ErrorCode::width_mismatch, 0, view_.n_columns(), names_.size()});
  }
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
      if (!row.marked.empty()) keep_marked(read, {});
      continue;
    }
    const std::vector<std::string> given(row.names.begin(), row.names.end());
    const std::vector<std::size_t> order = columns.order(given, i);
    for (std::size_t j = 0; j < order.size(); ++j) copy_(i, order[j]) = row.values[j];
    if (!row.marked.empty()) keep_marked(read, order);
  }
  view_ = copy_;
}

void ReadBatch::keep_marked(ReadRow& read, const std::vector<std::size_t>& order) {
  for (MarkedCell one : read.row().marked) {
    if (!order.empty()) one.column = order[one.column];
    marked_.push_back(one);
  }
  for (py::object& text : read.take_texts()) texts_.push_back(std::move(text));
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

namespace {

// For those who need the rows more than once, or elsewhere than in a detector.
py::tuple read_rows(const py::list& rows) {
  const ReadBatch read(rows, py::none());
  require_numbers(read.batch());
  const auto [values, names, marked] = read.batch();
  py::array_t<double> matrix({values.n_rows(), values.n_columns()});
  for (std::size_t i = 0; i < values.n_rows(); ++i) {
    std::copy_n(values.row(i).data(), values.n_columns(),
                matrix.mutable_data() + i * values.n_columns());
  }
  const py::object columns = names.empty()
                                 ? py::object(py::none())
                                 : py::cast(std::vector<std::string>(names.begin(), names.end()));
  return py::make_tuple(matrix, columns);
}

}  // namespace

void bind_rows(py::module_& module) {
  module.def("read_rows", &read_rows, "rows"_a, R"doc(read_rows(rows)
--

A list of rows as a matrix of float64 and the names of its columns, if the rows have names.

Processing the two is the same as processing the list.)doc");
}

}  // namespace freshet::python
