#include "freshet/backends/detail/ranks.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "freshet/core/random.hpp"
#include "support/catch.hpp"

using freshet::RandomGenerator;
using freshet::backendsdetail::Bound;
using freshet::backendsdetail::ColumnSorter;
using freshet::backendsdetail::count_below;

TEST_CASE("Columns are sorted whatever their values") {
  using Make = std::function<double(RandomGenerator&, std::size_t)>;
  const auto [name, make] = GENERATE(table<std::string, Make>({
      {"normal", [](RandomGenerator& random, std::size_t) { return random.normal(); }},
      {"tied", [](RandomGenerator& random, std::size_t) { return std::floor(random.normal()); }},
      {"constant", [](RandomGenerator&, std::size_t) { return -7.5; }},
      {"descending", [](RandomGenerator&, std::size_t i) { return -static_cast<double>(i); }},
      {"crowd and outlier",
       [](RandomGenerator& random, std::size_t i) {
         return i == 0 ? -1e100 : 1e9 + 1e-3 * random.normal();
       }},
      {"all magnitudes",
       [](RandomGenerator& random, std::size_t) { return std::exp(200.0 * random.normal()); }},
      {"subnormal",
       [](RandomGenerator& random, std::size_t) {
         return static_cast<double>(random.below(9)) * std::numeric_limits<double>::denorm_min();
       }},
  }));
  const auto n = GENERATE(as<std::size_t>{}, 1, 2, 3, 100, 1000);
  CAPTURE(name, n);
  RandomGenerator random(n);
  std::vector<double> column(n);
  for (std::size_t i = 0; i < n; ++i) column[i] = make(random, i);
  std::vector<double> expected = column;
  std::sort(expected.begin(), expected.end());

  std::vector<double> sorted = column;
  ColumnSorter sorter;
  const auto origins = sorter.sort(sorted);
  CHECK(sorted == expected);
  std::vector<int> seen(n);
  for (std::size_t i = 0; i < n; ++i) {
    REQUIRE(origins[i] < n);
    CHECK(++seen[origins[i]] == 1);
    CHECK(column[origins[i]] == sorted[i]);
  }
}

TEST_CASE("A sorter may be used for columns of different lengths") {
  ColumnSorter sorter;
  std::vector<double> first{3, 1, 2};
  std::vector<double> second{5, 4};
  sorter.sort(first);
  const auto origins = sorter.sort(second);
  CHECK(first == std::vector<double>{1, 2, 3});
  CHECK(second == std::vector<double>{4, 5});
  CHECK(std::vector<std::size_t>(origins.begin(), origins.end()) == std::vector<std::size_t>{1, 0});
}

TEST_CASE("Zeros of both signs are one value") {
  ColumnSorter sorter;
  std::vector<double> column{0.0, -0.0, 0.0, -1.0};
  sorter.sort(column);
  CHECK(column == std::vector<double>{-1.0, 0.0, 0.0, 0.0});
  CHECK_FALSE(std::signbit(column[1]));
}

TEST_CASE("Interleaved searches count like a search in each column") {
  const auto n = GENERATE(as<std::size_t>{}, 1, 2, 3, 7, 8, 9, 100, 1000);
  const auto n_columns = GENERATE(as<std::size_t>{}, 1, 3, 5, 8);
  RandomGenerator random(n);
  std::vector<double> columns;
  for (std::size_t j = 0; j < n_columns; ++j) {
    std::vector<double> column(n);
    for (double& value : column) value = std::round(4.0 * random.normal());
    std::sort(column.begin(), column.end());
    columns.insert(columns.end(), column.begin(), column.end());
  }
  for (int repetition = 0; repetition < 50; ++repetition) {
    std::vector<double> x(n_columns);
    for (double& value : x) value = std::round(8.0 * random.normal()) / 2.0;
    std::vector<std::size_t> at_most(n_columns);
    std::vector<std::size_t> less(n_columns);
    count_below<Bound::at_most, 8>(columns.data(), n_columns, n, x.data(), at_most.data());
    count_below<Bound::less, 8>(columns.data(), n_columns, n, x.data(), less.data());
    for (std::size_t j = 0; j < n_columns; ++j) {
      const double* begin = columns.data() + j * n;
      CHECK(at_most[j] ==
            static_cast<std::size_t>(std::upper_bound(begin, begin + n, x[j]) - begin));
      CHECK(less[j] == static_cast<std::size_t>(std::lower_bound(begin, begin + n, x[j]) - begin));
    }
  }
}
