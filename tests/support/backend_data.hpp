#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "freshet/core/matrix_view.hpp"
#include "freshet/core/random.hpp"
#include "freshet/io/archive.hpp"

/// @file
/// Data of the kinds that trip up detection methods, and what every model is asked.

namespace freshet::test {

enum class Kind { normal, heavy_tailed, tied, far_from_zero, with_constants };

inline constexpr Kind all_kinds[] = {Kind::normal, Kind::heavy_tailed, Kind::tied,
                                     Kind::far_from_zero, Kind::with_constants};

/// Random rows of a kind.
inline Matrix random_rows(Kind kind, std::size_t n_rows, std::size_t n_columns,
                          RandomGenerator& random) {
  Matrix rows(n_rows, n_columns);
  for (std::size_t i = 0; i < n_rows; ++i) {
    for (std::size_t j = 0; j < n_columns; ++j) {
      const double normal = random.normal();
      switch (kind) {
        case Kind::normal:
          rows(i, j) = normal;
          break;
        case Kind::heavy_tailed:
          rows(i, j) = normal / random.normal();
          break;
        case Kind::tied:
          rows(i, j) = std::round(2.0 * normal);
          break;
        case Kind::far_from_zero:
          rows(i, j) = 1e9 + normal;
          break;
        case Kind::with_constants:
          rows(i, j) = j % 2 == 0 ? 0.1 : normal;
          break;
      }
    }
  }
  return rows;
}

/// A matrix of the given rows.
inline Matrix matrix(const std::vector<std::vector<double>>& rows) {
  Matrix result(rows.size(), rows.front().size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < rows[i].size(); ++j) result(i, j) = rows[i][j];
  }
  return result;
}

/// The sum of what a model says each column adds.
template <class M>
double explained(const M& model, RowView row) {
  std::vector<double> contributions(model.n_features());
  model.explain(row, contributions);
  return std::accumulate(contributions.begin(), contributions.end(), 0.0);
}

/// The model after a trip through bytes.
template <class M>
M restored(const M& model) {
  ArchiveWriter writer;
  writer(model);
  ArchiveReader reader(writer.bytes());
  M copy;
  reader(copy);
  return copy;
}

/// Changes a random byte of a model, `n_times` in turn: half of them among the first `n_first`,
/// where sizes are. What is read all the same is given to `use`.
/// @return how often it was refused
template <class M, class Use>
int refused_when_damaged(const M& model, int n_times, std::size_t n_first, RandomGenerator& random,
                         const Use& use) {
  ArchiveWriter writer;
  writer(model);
  int refused = 0;
  for (int i = 0; i < n_times; ++i) {
    std::vector<std::byte> bytes = writer.bytes();
    const std::size_t reach = i % 2 == 0 ? std::min(n_first, bytes.size()) : bytes.size();
    bytes[random.below(reach)] = static_cast<std::byte>(random.below(256));
    M read;
    try {
      ArchiveReader reader(bytes);
      reader(read);
    } catch (const SnapshotError&) {
      ++refused;
      continue;
    }
    use(read);
  }
  return refused;
}

}  // namespace freshet::test
