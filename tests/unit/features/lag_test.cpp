#include "freshet/features/lag.hpp"

#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/io/archive.hpp"
#include "support/catch.hpp"

namespace {

using freshet::LagFeatures;

std::vector<double> next(LagFeatures& lags, const std::vector<double>& row) {
  std::vector<double> features(lags.n_features());
  lags.transform(row, features);
  lags.update(row);
  return features;
}

/// The parts of lag features as a snapshot holds them.
struct Stored {
  std::size_t n_columns;
  std::vector<std::size_t> periods;
  std::size_t next;
  std::vector<double> history;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(n_columns, periods, next, history);
  }
};

void restore(Stored&& stored) {
  freshet::ArchiveWriter writer;
  writer(stored);
  freshet::ArchiveReader reader(writer.bytes());
  LagFeatures lags;
  reader(lags);
}

}  // namespace

TEST_CASE("lags are the values some rows ago, column by column, zero before the stream") {
  LagFeatures lags(2, {3, 1});
  REQUIRE(lags.n_features() == 4);
  CHECK(next(lags, {1, 10}) == std::vector<double>{0, 0, 0, 0});
  CHECK(next(lags, {2, 20}) == std::vector<double>{0, 1, 0, 10});
  CHECK(next(lags, {3, 30}) == std::vector<double>{0, 2, 0, 20});
  CHECK(next(lags, {4, 40}) == std::vector<double>{1, 3, 10, 30});
  CHECK(next(lags, {5, 50}) == std::vector<double>{2, 4, 20, 40});
  for (int i = 6; i < 30; ++i) {
    const double x = i;
    CHECK(next(lags, {x, 10 * x}) == std::vector<double>{x - 3, x - 1, 10 * x - 30, 10 * x - 10});
  }
}

TEST_CASE("computing lags changes nothing") {
  LagFeatures lags(1, {2});
  next(lags, {1});
  const LagFeatures before = lags;
  std::vector<double> features(1);
  lags.transform(std::vector<double>{7}, features);
  REQUIRE(lags == before);
}

TEST_CASE("a copy of lags goes on independently and reset lags are as new") {
  LagFeatures original(1, {1, 4});
  for (int i = 1; i < 8; ++i) next(original, {static_cast<double>(i)});
  LagFeatures copy = original;
  REQUIRE(next(copy, {8}) == next(original, {8}));
  next(copy, {100});
  CHECK(next(original, {9})[0] == 8);
  original.reset();
  CHECK(original == LagFeatures(1, {1, 4}));
}

TEST_CASE("no lag periods are no features") {
  LagFeatures lags(2, {});
  CHECK(lags.n_features() == 0);
  CHECK(next(lags, {1, 2}).empty());
}

TEST_CASE("lags refuse impossible periods") {
  const auto field_of = [](std::size_t n_columns, std::vector<std::size_t> periods) {
    try {
      LagFeatures(n_columns, std::move(periods));
    } catch (const freshet::ConfigurationError& error) {
      return error.field();
    }
    return std::string("accepted");
  };
  CHECK(field_of(1, {0}) == "lag_periods");
  CHECK(field_of(1, {2, 2}) == "lag_periods");
  CHECK(field_of(1, {std::numeric_limits<std::size_t>::max()}) == "lag_periods");
  CHECK(field_of(0, {1}) == "n_columns");
}

TEST_CASE("restored lags go on as before") {
  LagFeatures lags(2, {1, 3});
  for (int i = 0; i < 5; ++i) next(lags, {i + 0.5, i - 0.5});
  freshet::ArchiveWriter writer;
  writer(lags);
  freshet::ArchiveReader reader(writer.bytes());
  LagFeatures restored;
  reader(restored);
  REQUIRE(restored == lags);
  REQUIRE(next(restored, {9, 9}) == next(lags, {9, 9}));
}

TEST_CASE("damaged lags are not restored") {
  REQUIRE_NOTHROW(restore({2, {3}, 2, {1, 2, 3, 4, 5, 6}}));
  CHECK_THROWS_AS(restore({2, {3}, 3, {1, 2, 3, 4, 5, 6}}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({2, {4}, 2, {1, 2, 3, 4, 5, 6}}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({2, {0}, 0, {}}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({0, {3}, 0, {}}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({1, {}, 1, {}}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({1, {1}, 0, {1e101}}), freshet::SnapshotError);
}
