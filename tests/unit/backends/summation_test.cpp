#include "freshet/backends/detail/summation.hpp"

#include <cstddef>
#include <span>
#include <vector>

#include "freshet/core/random.hpp"
#include "support/catch.hpp"

using freshet::RandomGenerator;
using freshet::backendsdetail::numpy_row_sums;
using freshet::backendsdetail::numpy_sum;

namespace {

std::vector<double> random_values(std::size_t n) {
  RandomGenerator random(n);
  std::vector<double> values(n);
  for (double& value : values) value = random.normal() / random.normal();
  return values;
}

// The published recursion, written down plainly.
double in_halves(std::span<const double> values) {
  if (values.size() > 128) {
    const std::size_t half = values.size() / 2 / 8 * 8;
    return in_halves(values.first(half)) + in_halves(values.subspan(half));
  }
  if (values.size() < 8) {
    double sum = 0.0;
    for (const double value : values) sum += value;
    return sum;
  }
  double part[8] = {};
  const std::size_t in_eights = values.size() / 8 * 8;
  for (std::size_t i = 0; i < in_eights; ++i) part[i % 8] += values[i];
  double sum =
      ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  for (std::size_t i = in_eights; i < values.size(); ++i) sum += values[i];
  return sum;
}

}  // namespace

TEST_CASE("Sums are added in NumPy's order, to the bit") {
  const auto n = GENERATE(as<std::size_t>{}, 0, 1, 2, 7, 8, 9, 15, 16, 17, 127, 128, 129, 136, 255,
                          256, 300, 1000, 5001);
  const std::vector<double> values = random_values(n);
  CHECK(numpy_sum(values) == in_halves(values));
}

TEST_CASE("Eight small numbers are not lost beside a large one in NumPy's order") {
  // One after the other, each 1 would vanish in 1e16; side by side, seven meet before.
  const std::vector<double> values{1e16, 1, 1, 1, 1, 1, 1, 1};
  CHECK(numpy_sum(values) == 1e16 + 6);
}

TEST_CASE("Column by column, every row gets the same sum") {
  const auto n_columns = GENERATE(as<std::size_t>{}, 1, 5, 8, 13, 128, 200, 555);
  const std::size_t n_rows = 3;
  const std::vector<double> values = random_values(n_columns * n_rows);
  std::vector<double> sums(n_rows);
  numpy_row_sums(0, n_columns, sums, [&](std::size_t j, std::span<double> out) {
    for (std::size_t i = 0; i < n_rows; ++i) out[i] += values[i * n_columns + j];
  });
  for (std::size_t i = 0; i < n_rows; ++i) {
    CHECK(sums[i] == in_halves(std::span(values).subspan(i * n_columns, n_columns)));
  }
}
