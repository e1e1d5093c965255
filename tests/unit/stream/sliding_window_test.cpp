#include "freshet/stream/sliding_window.hpp"

#include <deque>
#include <vector>

#include "freshet/core/random.hpp"
#include "support/catch.hpp"

using freshet::RowView;
using freshet::SlidingWindow;

namespace {

std::vector<double> to_vector(RowView row) { return {row.begin(), row.end()}; }

}  // namespace

TEST_CASE("a window holds the last rows in order, in one block") {
  const auto [capacity, n_columns] =
      GENERATE(table<std::size_t, std::size_t>({{1, 1}, {2, 3}, {7, 2}, {64, 1}, {100, 5}}));
  SlidingWindow window(capacity, n_columns);
  std::deque<std::vector<double>> expected;
  freshet::RandomGenerator random(capacity);
  for (std::size_t i = 0; i < 5 * capacity + 3; ++i) {
    std::vector<double> row(n_columns);
    for (double& value : row) value = random.uniform();
    window.push(row);
    expected.push_back(row);
    if (expected.size() > capacity) expected.pop_front();

    REQUIRE(window.size() == expected.size());
    REQUIRE(window.full() == (expected.size() == capacity));
    const freshet::MatrixView view = window.view();
    std::vector<double> flat;
    for (std::size_t k = 0; k < expected.size(); ++k) {
      REQUIRE(to_vector(view.row(k)) == expected[k]);
      flat.insert(flat.end(), expected[k].begin(), expected[k].end());
    }
    REQUIRE(to_vector(window.shingle(window.size())) == flat);
    REQUIRE(to_vector(window.shingle(1)) == row);
  }
}

TEST_CASE("a staged row is seen behind the others and leaves no trace until it is committed") {
  SlidingWindow window(4, 2);
  for (int i = 0; i < 50; ++i) {
    const auto before = to_vector(window.shingle(window.size()));
    const auto slot = window.stage();
    slot[0] = i;
    slot[1] = -i;
    REQUIRE(to_vector(window.shingle(window.size())) == before);
    auto with_staged = before;
    with_staged.insert(with_staged.end(), {static_cast<double>(i), static_cast<double>(-i)});
    REQUIRE(to_vector(window.staged_shingle(window.size() + 1)) == with_staged);
    if (i % 3 != 0) window.commit();
  }
}

TEST_CASE("a copy of a window goes on by itself") {
  SlidingWindow window(3, 1);
  for (const double value : {1.0, 2.0, 3.0, 4.0}) window.push(std::vector{value});
  SlidingWindow copy = window;
  copy.push(std::vector{9.0});
  CHECK(to_vector(window.shingle(3)) == std::vector{2.0, 3.0, 4.0});
  CHECK(to_vector(copy.shingle(3)) == std::vector{3.0, 4.0, 9.0});
  copy.clear();
  CHECK(copy.size() == 0);
}

TEST_CASE("a window without rows or columns is an error") {
  CHECK_THROWS_AS(SlidingWindow(0, 1), freshet::ConfigurationError);
  CHECK_THROWS_AS(SlidingWindow(1, 0), freshet::ConfigurationError);
  CHECK_THROWS_AS(SlidingWindow(std::size_t{1} << 60U, 16), freshet::ConfigurationError);
}
