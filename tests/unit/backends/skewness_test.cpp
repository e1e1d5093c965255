#include "freshet/backends/detail/skewness.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "freshet/core/random.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"

using freshet::RandomGenerator;
using freshet::backendsdetail::ColumnMoments;
using freshet::backendsdetail::skewness_signs;
using freshet::test::matrix;

namespace {

// The sign of the third central moment, exact for small integers: n³ times it is an integer.
int exact_sign(const std::vector<long>& values) {
  const auto n = static_cast<long>(values.size());
  long sum = 0;
  for (const long value : values) sum += value;
  long third = 0;
  for (const long value : values) {
    const long deviation = n * value - sum;
    third += deviation * deviation * deviation;
  }
  return static_cast<int>(third > 0) - static_cast<int>(third < 0);
}

}  // namespace

TEST_CASE("The skewness of training columns has its sign") {
  const auto rows = matrix({{1, -1, 5, 1}, {2, -2, 5, 2}, {3, -3, 5, 3}, {10, -10, 5, 4}});
  CHECK(skewness_signs(rows) == std::vector<int>{1, -1, 0, 0});
  CHECK(skewness_signs(matrix({{1}, {2}, {10}})) == std::vector<int>{1});
  CHECK(skewness_signs(matrix({{7.0, 1e9}})) == std::vector<int>{0, 0});
}

TEST_CASE("One more value skews integers exactly as it should") {
  RandomGenerator random(3);
  for (int repetition = 0; repetition < 500; ++repetition) {
    std::vector<long> values(1 + random.below(12));
    for (long& value : values) value = static_cast<long>(random.below(5));
    std::vector<double> sorted(values.begin(), values.end());
    std::sort(sorted.begin(), sorted.end());
    const ColumnMoments moments(sorted);
    for (long x = -2; x <= 6; ++x) {
      values.push_back(x);
      CHECK(moments.sign_with(static_cast<double>(x)) == exact_sign(values));
      values.pop_back();
    }
  }
}

TEST_CASE("Symmetric columns stay unskewed at their centre, at any scale and offset") {
  const auto [offset, scale] = GENERATE(table<double, double>(
      {{0, 1}, {0.5, 1}, {1e9, 1}, {0, 0x1p-300}, {0, 0x1p300}, {-3, 0x1p-20}}));
  std::vector<double> sorted;
  for (int i = -10; i <= 10; ++i) sorted.push_back(offset + scale * i);
  const ColumnMoments moments(sorted);
  CHECK(moments.sign_with(offset) == 0);
  CHECK(moments.sign_with(offset + 20 * scale) == 1);
  CHECK(moments.sign_with(offset - 20 * scale) == -1);
  CHECK(moments.sign_with(1e100) == 1);
  CHECK(moments.sign_with(-1e100) == -1);
}

TEST_CASE("A constant column is skewed towards what differs from it") {
  const std::vector<double> sorted(20, 0.1);
  const ColumnMoments moments(sorted);
  CHECK(moments.sign_with(0.1) == 0);
  CHECK(moments.sign_with(0.2) == 1);
  CHECK(moments.sign_with(-1e100) == -1);
}
