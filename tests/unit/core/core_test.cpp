#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "freshet/core/columns.hpp"
#include "freshet/core/executor.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/percentile.hpp"
#include "freshet/core/random.hpp"
#include "freshet/core/result.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/version.hpp"
#include "support/catch.hpp"

using freshet::Matrix;
using freshet::MatrixView;

TEST_CASE("the version string is made of its numbers") {
  CHECK(freshet::version == std::to_string(FRESHET_VERSION_MAJOR) + "." +
                                std::to_string(FRESHET_VERSION_MINOR) + "." +
                                std::to_string(FRESHET_VERSION_PATCH));
}

TEST_CASE("a matrix view sees rows that are apart, adjacent or overlapping") {
  const std::vector<double> values{0, 1, 2, 3, 4, 5, 6, 7};
  const MatrixView apart(values.data(), 2, 3, 4);
  CHECK(apart(1, 2) == 6.0);
  CHECK(Matrix(apart).row(1)[0] == 4.0);
  const MatrixView column(values.data(), 8, 1);
  const MatrixView shingled = column.shingled(3);
  CHECK(shingled.n_rows() == 6);
  CHECK(shingled.n_columns() == 3);
  for (std::size_t i = 0; i < 6; ++i) {
    for (std::size_t j = 0; j < 3; ++j) CHECK(shingled(i, j) == static_cast<double>(i + j));
  }
  CHECK(shingled.row(5).data() == values.data() + 5);
  CHECK(column.shingled(9).empty());
}

TEST_CASE("percentiles interpolate as NumPy does") {
  CHECK(freshet::percentile(std::vector{3.0, 1.0, 2.0}, 50.0) == 2.0);
  CHECK(freshet::percentile(std::vector{1.0, 2.0}, 90.0) == 1.9);
  CHECK(freshet::percentile(std::vector{5.0}, 37.0) == 5.0);
  CHECK(freshet::percentile(std::vector{1.0, 2.0, 3.0, 4.0}, 0.0) == 1.0);
  CHECK(freshet::percentile(std::vector{1.0, 2.0, 3.0, 4.0}, 100.0) == 4.0);
}

TEST_CASE("random numbers are the same everywhere, and spread as they should") {
  // The first outputs of xoshiro256++ from the splitmix64 states of seed 0 and 42, worked out with
  // an independent implementation.
  freshet::RandomGenerator zero(0);
  CHECK(zero() == 0x53175d61490b23dfULL);
  CHECK(zero() == 0x61da6f3dc380d507ULL);
  freshet::RandomGenerator random(42);
  CHECK(random() == 0xd0764d4f4476689fULL);

  double sum = 0.0;
  double squares = 0.0;
  constexpr int n = 200000;
  for (int i = 0; i < n; ++i) {
    const double value = random.normal();
    sum += value;
    squares += value * value;
  }
  CHECK(std::abs(sum / n) < 0.01);
  CHECK(std::abs(squares / n - 1.0) < 0.02);

  std::vector<int> counts(7, 0);
  for (int i = 0; i < 70000; ++i) ++counts[random.below(7)];
  for (const int count : counts) CHECK(std::abs(count - 10000) < 500);

  std::vector<int> items(20);
  std::iota(items.begin(), items.end(), 0);
  const std::vector<int> before = items;
  random.shuffle(std::span(items));
  CHECK(items != before);
  CHECK(std::is_permutation(items.begin(), items.end(), before.begin()));
}

TEST_CASE("every error kind has an id of its own") {
  std::set<std::string_view> ids;
  for (int code = 0; code <= static_cast<int>(freshet::ErrorCode::file_unwritable); ++code) {
    const auto id = freshet::id(static_cast<freshet::ErrorCode>(code));
    CHECK_FALSE(id.empty());
    CHECK(ids.insert(id).second);
  }
}

TEST_CASE("a fault tells where and why a batch cannot be taken") {
  Matrix rows(3, 2);
  CHECK_FALSE(freshet::find_fault(rows.view(), 2));
  rows(2, 1) = std::numeric_limits<double>::quiet_NaN();
  const auto fault = freshet::find_fault(rows.view(), 2);
  REQUIRE(fault);
  CHECK(fault->row == 2);
  CHECK(fault->column == 1);
  CHECK(freshet::to_error(*fault).id() == "value_non_finite");
  CHECK(freshet::find_fault(rows.view(), 3)->code == freshet::ErrorCode::width_mismatch);
  CHECK(freshet::find_fault(MatrixView{}, 2)->code == freshet::ErrorCode::batch_empty);
  CHECK(freshet::acceptable(freshet::max_magnitude));
  CHECK(freshet::acceptable(-freshet::max_magnitude));
  CHECK_FALSE(freshet::acceptable(1.1 * freshet::max_magnitude));
  CHECK_FALSE(freshet::acceptable(-std::numeric_limits<double>::infinity()));
}

TEST_CASE("columns are matched by name") {
  const freshet::Columns columns({"a", "b", "c"});
  CHECK(columns.order(std::vector<std::string>{"c", "a", "b"}) ==
        std::vector<std::size_t>{2, 0, 1});
  const auto code_of = [&](const std::vector<std::string>& names) {
    try {
      (void)columns.order(names, 4);
    } catch (const freshet::DataError& error) {
      CHECK(error.row() == 4U);
      return std::string(error.id()) + " " + error.field();
    }
    return std::string("accepted");
  };
  CHECK(code_of({"a", "b", "x"}) == "column_unknown x");
  CHECK(code_of({"a", "b", "b"}) == "column_duplicate b");
  CHECK(code_of({"a", "c"}) == "column_missing b");
  CHECK_THROWS_AS(freshet::Columns({"a", "a"}), freshet::DataError);
}

TEST_CASE("a thread pool runs every task it keeps, and ends with those that run") {
  std::atomic<int> done{0};
  {
    freshet::ThreadPool pool(2);
    for (int i = 0; i < 50; ++i) pool.submit([&done] { ++done; });
    while (done < 50) std::this_thread::yield();
  }
  CHECK(done == 50);
  CHECK(freshet::default_executor() == freshet::default_executor());
}
