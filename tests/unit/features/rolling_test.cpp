#include "freshet/features/rolling.hpp"

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/random.hpp"
#include "freshet/io/archive.hpp"
#include "support/catch.hpp"
#include "support/rolling_reference.hpp"

namespace {

using freshet::RollingFeatures;
using freshet::RowView;

/// The features of one value of a single column, which is then appended.
std::vector<double> next(RollingFeatures& rolling, double value) {
  std::vector<double> features(rolling.n_features());
  rolling.transform(RowView(&value, 1), features);
  rolling.update(RowView(&value, 1));
  return features;
}

/// The parts of rolling features as a snapshot holds them.
struct Stored {
  std::size_t n_columns;
  std::vector<std::size_t> windows;
  std::vector<std::size_t> positions;
  std::vector<double> state;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(n_columns, windows, positions, state);
  }
};

void restore(Stored&& stored) {
  freshet::ArchiveWriter writer;
  writer(stored);
  freshet::ArchiveReader reader(writer.bytes());
  RollingFeatures rolling;
  reader(rolling);
}

}  // namespace

TEST_CASE("rolling features of the documented example") {
  RollingFeatures rolling(1, {5});
  const std::vector<double> values{100, 150, 120, 80, 200};
  const std::vector<double> means{100, 125, 370.0 / 3.0, 112.5, 130};
  const std::vector<double> stds{0, 35.36, 25.17, 29.86, 46.90};
  const std::vector<double> minima{100, 100, 100, 80, 80};
  const std::vector<double> maxima{100, 150, 150, 150, 200};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto features = next(rolling, values[i]);
    CHECK(features[0] == Approx(means[i]).epsilon(1e-14));
    CHECK(features[1] == Approx(stds[i]).margin(0.005));
    CHECK(features[2] == minima[i]);
    CHECK(features[3] == maxima[i]);
  }
}

TEST_CASE("rolling features come column by column, window by window") {
  RollingFeatures rolling(3, {2, 1});
  REQUIRE(rolling.n_features() == 24);
  const std::vector<double> first{1, 10, 100};
  const std::vector<double> second{3, 40, 100};
  std::vector<double> features(rolling.n_features());
  rolling.update(first);
  rolling.transform(second, features);
  const double root_two = std::sqrt(2.0);
  const std::vector<double> expected{2,   root_two,
                                     1,   3,
                                     3,   0,
                                     3,   3,  //
                                     25,  15.0 * root_two,
                                     10,  40,
                                     40,  0,
                                     40,  40,  //
                                     100, 0,
                                     100, 100,
                                     100, 0,
                                     100, 100};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(features[i] == Approx(expected[i]).epsilon(1e-15));
  }
}

TEST_CASE("a rolling window of equal values has a standard deviation of exactly zero") {
  const double value = GENERATE(0.1, -1e9 / 3.0, 1e100, 5e-324);
  freshet::RandomGenerator random(11);
  RollingFeatures rolling(1, {1, 2, 7});
  for (int i = 0; i < 5; ++i) next(rolling, 1e3 * random.normal());
  for (std::size_t i = 1; i <= 40; ++i) {
    const auto features = next(rolling, value);
    for (std::size_t k = 0; k < 3; ++k) {
      if (i < rolling.windows()[k]) continue;
      CAPTURE(i, k);
      CHECK(features[4 * k] == value);
      CHECK(features[4 * k + 1] == 0.0);
    }
  }
}

TEST_CASE("computing rolling features changes nothing") {
  freshet::RandomGenerator random(12);
  RollingFeatures rolling(1, {3, 4});
  std::vector<double> features(rolling.n_features());
  for (int i = 0; i < 20; ++i) {
    const RollingFeatures before = rolling;
    const double other = 1e6 * random.normal();
    rolling.transform(RowView(&other, 1), features);
    REQUIRE(rolling == before);
    next(rolling, random.normal());
    REQUIRE_FALSE(rolling == before);
  }
}

TEST_CASE("an outlier that has left a rolling window leaves no residue") {
  const double outlier = GENERATE(1e9, -1e15, 1e100);
  for (std::size_t at = 0; at < 12; ++at) {
    freshet::RandomGenerator random(13);
    const std::vector<std::size_t> windows{2, 5, 6};
    RollingFeatures calm(1, windows);
    RollingFeatures struck(1, windows);
    for (std::size_t i = 0; i < 40; ++i) {
      const double value = random.normal();
      const auto expected = next(calm, value);
      const auto features = next(struck, i == at ? outlier : value);
      for (std::size_t k = 0; k < windows.size(); ++k) {
        if (i >= at && i < at + windows[k]) continue;
        CAPTURE(at, i, k);
        for (std::size_t j = 4 * k; j < 4 * k + 4; ++j) REQUIRE(features[j] == expected[j]);
      }
    }
  }
}

TEST_CASE("rolling features keep their precision when the level shifts") {
  const auto [before, after] = GENERATE(table<double, double>({{1e9, 0.0}, {0.0, 1e9}}));
  freshet::RandomGenerator random(14);
  RollingFeatures rolling(1, {3, 10, 64});
  std::vector<double> values;
  for (std::size_t i = 0; i < 400; ++i) {
    values.push_back((i < 200 ? before : after) + random.normal());
    const auto features = next(rolling, values.back());
    for (std::size_t k = 0; k < 3; ++k) {
      CAPTURE(i, k);
      REQUIRE(test_support::agrees(&features[4 * k],
                                   test_support::two_pass(values, rolling.windows()[k])));
    }
  }
}

TEST_CASE("rolling features do not drift over a million rows") {
  freshet::RandomGenerator random(15);
  RollingFeatures rolling(1, {5, 20, 1000});
  std::vector<double> values;
  for (std::size_t i = 0; i < 1'000'000; ++i) {
    const double value = 1e9 + random.normal();
    values.push_back(value);
    if (i % 4999 != 0 && i < 999'900) {
      rolling.update(RowView(&value, 1));
      continue;
    }
    const auto features = next(rolling, value);
    for (std::size_t k = 0; k < 3; ++k) {
      CAPTURE(i, k);
      REQUIRE(test_support::agrees(&features[4 * k],
                                   test_support::two_pass(values, rolling.windows()[k])));
    }
  }
}

TEST_CASE("a rolling window may be longer than the stream") {
  RollingFeatures rolling(1, {10'000});
  std::vector<double> values;
  freshet::RandomGenerator random(16);
  for (int i = 0; i < 300; ++i) {
    values.push_back(random.normal());
    const auto features = next(rolling, values.back());
    REQUIRE(test_support::agrees(features.data(), test_support::two_pass(values, 10'000)));
  }
}

TEST_CASE("the largest values neither overflow nor make NaN") {
  RollingFeatures rolling(1, {2, 9});
  for (int i = 0; i < 50; ++i) {
    for (const double feature : next(rolling, i % 3 == 0 ? 1e100 : -1e100)) {
      REQUIRE(std::isfinite(feature));
    }
  }
}

TEST_CASE("a copy of rolling features goes on independently") {
  freshet::RandomGenerator random(17);
  RollingFeatures original(1, {3, 8});
  for (int i = 0; i < 13; ++i) next(original, random.normal());
  RollingFeatures copy = original;
  for (int i = 0; i < 30; ++i) {
    const double value = random.normal();
    REQUIRE(next(copy, value) == next(original, value));
  }
  next(copy, 1.0);
  REQUIRE_FALSE(copy == original);
}

TEST_CASE("reset rolling features are as new") {
  RollingFeatures rolling(1, {3, 8});
  for (int i = 0; i < 21; ++i) next(rolling, i);
  rolling.reset();
  REQUIRE(rolling == RollingFeatures(1, {3, 8}));
}

TEST_CASE("rolling features refuse impossible windows") {
  const auto field_of = [](std::size_t n_columns, std::vector<std::size_t> windows) {
    try {
      RollingFeatures(n_columns, std::move(windows));
    } catch (const freshet::ConfigurationError& error) {
      return error.field();
    }
    return std::string("accepted");
  };
  CHECK(field_of(1, {0}) == "rolling_windows");
  CHECK(field_of(1, {5, 10, 5}) == "rolling_windows");
  CHECK(field_of(1, {std::numeric_limits<std::size_t>::max()}) == "rolling_windows");
  CHECK(field_of(0, {5}) == "n_columns");
  CHECK(field_of(2, {}) == "accepted");
}

TEST_CASE("restored rolling features go on bit for bit") {
  freshet::RandomGenerator random(18);
  RollingFeatures rolling(1, {1, 4, 7});
  for (int i = 0; i < 40; ++i) {
    freshet::ArchiveWriter writer;
    writer(rolling);
    freshet::ArchiveReader reader(writer.bytes());
    RollingFeatures restored;
    reader(restored);
    REQUIRE(restored == rolling);
    RollingFeatures original = rolling;
    for (int j = 0; j < 20; ++j) {
      const double value = 1e9 + random.normal();
      REQUIRE(next(restored, value) == next(original, value));
    }
    next(rolling, random.normal());
  }
}

TEST_CASE("damaged rolling features are not restored") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> good(14, 1.0);  // 6 rows, then 2 of 4 statistics, of one column
  const auto with = [&](std::size_t i, double value) {
    auto state = good;
    state[i] = value;
    return state;
  };
  REQUIRE_NOTHROW(restore({1, {2}, {3}, good}));
  CHECK_THROWS_AS(restore({1, {2}, {4}, good}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({1, {2}, {}, good}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({1, {3}, {0}, good}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({2, {2}, {0}, good}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({0, {2}, {0}, good}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({1, {0}, {0}, {0, 0, 0, 0, 0, 0}}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({1, {2}, {0}, with(0, nan)}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({1, {2}, {0}, with(4, 1e200)}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({1, {2}, {0}, with(1, -1.0)}), freshet::SnapshotError);
  CHECK_THROWS_AS(restore({1, {2}, {0}, with(11, nan)}), freshet::SnapshotError);
}
