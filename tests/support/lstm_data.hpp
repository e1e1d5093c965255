#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "freshet/backends/lstm_autoencoder.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/random.hpp"
#include "freshet/io/archive.hpp"

/// @file
/// Series and networks that train within milliseconds.

namespace freshet::test {

/// Waves with noise, every column with its own period, level and height.
inline Matrix waves(std::size_t n_rows, std::size_t n_columns, std::uint64_t seed = 1) {
  RandomGenerator random(seed);
  Matrix rows(n_rows, n_columns);
  for (std::size_t i = 0; i < n_rows; ++i) {
    for (std::size_t j = 0; j < n_columns; ++j) {
      const auto column = static_cast<double>(j);
      const double wave = std::sin(static_cast<double>(i) / (2.0 + column));
      rows(i, j) = 10.0 * column + (column + 1.0) * (wave + 0.1 * random.normal());
    }
  }
  return rows;
}

/// An autoencoder of very few weights.
inline LstmAutoencoder tiny() {
  LstmAutoencoder backend;
  backend.window = 6;
  backend.hidden_size = 4;
  backend.epochs = 2;
  backend.batch_size = 16;
  return backend;
}

/// The archive of a model.
inline std::vector<std::byte> bytes_of(const LstmAutoencoderModel& model) {
  ArchiveWriter writer;
  writer(model);
  return std::move(writer).take();
}

}  // namespace freshet::test
