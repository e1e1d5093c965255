#pragma once

#include <cstddef>

#include "freshet/core/matrix_view.hpp"
#include "freshet/core/random.hpp"

namespace freshet::bench {

/// Independent standard normal values.
inline Matrix normal_rows(std::size_t n_rows, std::size_t n_columns, std::uint64_t seed) {
  RandomGenerator random(seed);
  Matrix rows(n_rows, n_columns);
  for (std::size_t i = 0; i < n_rows; ++i) {
    for (double& value : rows.row(i)) value = random.normal();
  }
  return rows;
}

}  // namespace freshet::bench
