#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "freshet/features/cell.hpp"
#include "session.hpp"

/// @file
/// A batch as rows of cells.

namespace freshet::python {

/// The cells of a batch, row by row in one place.
class BatchCells {
 public:
  /// @param order where the columns go; empty when they stay where they are.
  explicit BatchCells(const Batch& batch, std::vector<std::size_t> order = {})
      : batch_(batch), order_(std::move(order)), cells_(batch.rows.n_columns()) {}
  BatchCells(const BatchCells&) = delete;
  BatchCells& operator=(const BatchCells&) = delete;
  ~BatchCells() = default;

  /// Valid for as long as this object and the batch live.
  [[nodiscard]] CellRows rows() {
    return {batch_.rows.n_rows(), cells_.size(), [this](std::size_t i) { return row(i); }};
  }

 private:
  CellRow row(std::size_t i) {
    for (std::size_t j = 0; j < cells_.size(); ++j) cells_[place(j)] = batch_.rows(i, j);
    auto marked =
        std::lower_bound(batch_.marked.begin(), batch_.marked.end(), i,
                         [](const MarkedCell& one, std::size_t index) { return one.row < index; });
    for (; marked != batch_.marked.end() && marked->row == i; ++marked) {
      cells_[place(marked->column)] = marked->cell;
    }
    return cells_;
  }

  [[nodiscard]] std::size_t place(std::size_t column) const noexcept {
    return order_.empty() ? column : order_[column];
  }

  Batch batch_;
  std::vector<std::size_t> order_;
  std::vector<Cell> cells_;
};

}  // namespace freshet::python
