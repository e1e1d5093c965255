#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "freshet/core/matrix_view.hpp"
#include "session.hpp"

/// @file
/// Rows and batches as Python has them, read into what the library takes.

namespace freshet::python {

/// Values of a trivial type, on the stack unless there are many.
template <class T>
class Scratch {
 public:
  /// Makes room for `size` values, which are then undefined.
  void resize(std::size_t size) {
    if (size > small_.size()) large_.resize(size);
    size_ = size;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return data()[i]; }
  [[nodiscard]] std::span<const T> view() noexcept { return {data(), size_}; }

 private:
  [[nodiscard]] T* data() noexcept { return size_ > small_.size() ? large_.data() : small_.data(); }

  std::array<T, 32> small_;  // NOLINT(*-member-init): a row costs no more than its own values
  std::vector<T> large_;
  std::size_t size_ = 0;
};

/// One row, read from a dict, list, tuple or one-dimensional array. Calls no Python code for
/// values that are floats, ints or strings, and takes no memory unless the row is long or has cells
/// that are more than their number.
class ReadRow {
 public:
  /// @param index the row of the batch that errors name.
  explicit ReadRow(pybind11::handle source, std::size_t index = 0);
  ReadRow(const ReadRow&) = delete;
  ReadRow& operator=(const ReadRow&) = delete;
  ~ReadRow() { release_keys(); }

  /// Valid without the GIL, for as long as this object lives.
  [[nodiscard]] Row row() noexcept { return {values_.view(), names_.view(), marked_}; }

  /// What marked cells are views of, moved out.
  [[nodiscard]] std::vector<pybind11::object> take_texts() noexcept { return std::move(texts_); }

 private:
  void read_dict(pybind11::handle dict, std::size_t index);
  void read_sequence(pybind11::handle sequence, std::size_t index);
  void read_array(const pybind11::array& array, std::size_t index);
  double read_cell(PyObject* value, std::size_t row, std::size_t column,
                   std::string_view name = {});
  double read_no_float(PyObject* value, std::size_t row, std::size_t column, std::string_view name);
  void release_keys() noexcept;

  Scratch<double> values_;
  Scratch<std::string_view> names_;
  Scratch<PyObject*> keys_;  // what the names are views of
  std::size_t n_keys_ = 0;
  std::vector<MarkedCell> marked_;
  std::vector<pybind11::object> texts_;  // what marked cells are views of
};

/// A matrix of doubles: the memory of a float64 array whose rows are contiguous, else a copy.
class ReadMatrix {
 public:
  explicit ReadMatrix(pybind11::array_t<double> array);

  /// Valid without the GIL, for as long as this object lives.
  [[nodiscard]] MatrixView view() const noexcept { return view_; }
  [[nodiscard]] const pybind11::array& array() const noexcept { return array_; }

 private:
  pybind11::array_t<double> array_;
  MatrixView view_;
};

/// A batch of rows, read from a two-dimensional array or from a list of what ReadRow reads.
class ReadBatch {
 public:
  /// @param names the columns' names of an array or of a list of sequences, or None.
  /// @throws DataError also when there are more or fewer names than columns.
  ReadBatch(const pybind11::object& rows, const pybind11::object& names);

  /// Valid without the GIL, for as long as this object lives.
  [[nodiscard]] Batch batch() const noexcept { return {view_, names_, marked_}; }

 private:
  void read_rows(const pybind11::list& rows);
  void keep_marked(ReadRow& read, const std::vector<std::size_t>& order);

  pybind11::object keep_alive_;
  Matrix copy_;
  MatrixView view_;
  std::vector<std::string> names_;
  std::vector<MarkedCell> marked_;
  std::vector<pybind11::object> texts_;
};

/// A time in seconds, or none when `timestamp` is None.
[[nodiscard]] std::optional<double> read_timestamp(pybind11::handle timestamp);

/// Throws DataError unless there are no timestamps or one for each row.
void require_timestamps(const pybind11::array_t<double>& timestamps, std::size_t n_rows);

}  // namespace freshet::python
