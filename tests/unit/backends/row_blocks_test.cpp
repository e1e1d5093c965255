#include "freshet/backends/detail/row_blocks.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "freshet/nn/instruction_set.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"

using freshet::Matrix;
using freshet::RandomGenerator;
using freshet::RowView;
using freshet::backendsdetail::Neighbors;
using freshet::backendsdetail::RowBlocks;
using freshet::nn::InstructionSet;
using freshet::test::random_rows;

namespace {

double squared_distance(RowView a, RowView b) {
  double sum = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) sum += (b[j] - a[j]) * (b[j] - a[j]);
  return sum;
}

/// The rows but for one, the nearest first, of equally near ones the first of the table.
std::vector<std::size_t> sorted(RowView row, const Matrix& rows, std::size_t excluded) {
  std::vector<std::size_t> order(rows.n_rows());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::erase(order, excluded);
  std::ranges::stable_sort(order, {},
                           [&](std::size_t i) { return squared_distance(row, rows.row(i)); });
  return order;
}

void check(const Neighbors& found, RowView row, const Matrix& rows,
           std::size_t excluded = ~std::size_t{0}) {
  const auto expected = sorted(row, rows, excluded);
  for (std::size_t i = 0; i < found.size(); ++i) {
    REQUIRE(found.index(i) == expected[i]);
    REQUIRE(found.squared_distance(i) == squared_distance(row, rows.row(expected[i])));
  }
}

}  // namespace

TEST_CASE("the nearest rows are found to the bit, whatever the processor has") {
  RandomGenerator random(1);
  for (const auto kind : freshet::test::all_kinds) {
    for (int repetition = 0; repetition < 20; ++repetition) {
      const std::size_t n_rows = 2 + random.below(150);
      const std::size_t n_columns = 1 + random.below(40);
      const std::size_t n_neighbors = 1 + random.below(n_rows - 1);
      const Matrix rows = random_rows(kind, n_rows, n_columns, random);
      const Matrix others = random_rows(kind, 3, n_columns, random);
      const RowBlocks blocks(rows);
      REQUIRE(blocks.rows() == rows);
      for (std::size_t i = 0; i < others.n_rows(); ++i) {
        check(blocks.nearest(others.row(i), n_neighbors), others.row(i), rows);
        check(blocks.nearest(others.row(i), n_neighbors, InstructionSet::baseline), others.row(i),
              rows);
      }
      std::size_t next = 0;
      blocks.each_row_and_nearest(rows, n_neighbors, [&](std::size_t i, const Neighbors& found) {
        REQUIRE(i == next++);
        if (i % 7 == 0) check(found, rows.row(i), rows, i);
      });
      REQUIRE(next == n_rows);
    }
  }
}
