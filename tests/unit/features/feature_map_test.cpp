#include "freshet/features/feature_map.hpp"

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/random.hpp"
#include "freshet/io/archive.hpp"
#include "support/catch.hpp"

namespace {

using freshet::FeatureMap;

std::vector<double> next(FeatureMap& map, const std::vector<double>& row) {
  std::vector<double> features(map.n_features());
  map.transform(row, features);
  map.update(row);
  return features;
}

}  // namespace

TEST_CASE("a feature map puts columns first, then rolling features, then lags") {
  FeatureMap map(2, {2}, {1});
  REQUIRE(map.n_columns() == 2);
  REQUIRE(map.n_features() == 12);
  CHECK(next(map, {1, 5}) == std::vector<double>{1, 5, 1, 0, 1, 1, 5, 0, 5, 5, 0, 0});
  const auto features = next(map, {3, 5});
  CHECK(features[1] == 5);
  CHECK(features[2] == 2);
  CHECK(features[3] == Approx(std::sqrt(2.0)));
  CHECK(features[4] == 1);
  CHECK(features[5] == 3);
  CHECK(std::vector(features.begin() + 6, features.end()) == std::vector<double>{5, 0, 5, 5, 1, 5});
}

TEST_CASE("a feature map without windows and lags passes rows on") {
  FeatureMap map(3);
  CHECK(map.n_features() == 3);
  CHECK(next(map, {1, 2, 3}) == std::vector<double>{1, 2, 3});
  CHECK(map.names() == std::vector<std::string>{"f0", "f1", "f2"});
}

TEST_CASE("features are named after their columns") {
  const FeatureMap map(2, {5, 10}, {1, 24});
  const std::vector<std::string> columns{"rides", "rain"};
  const std::vector<std::string> expected{
      "rides",
      "rain",
      "rides_rolling_mean_5",
      "rides_rolling_std_5",
      "rides_rolling_min_5",
      "rides_rolling_max_5",
      "rides_rolling_mean_10",
      "rides_rolling_std_10",
      "rides_rolling_min_10",
      "rides_rolling_max_10",
      "rain_rolling_mean_5",
      "rain_rolling_std_5",
      "rain_rolling_min_5",
      "rain_rolling_max_5",
      "rain_rolling_mean_10",
      "rain_rolling_std_10",
      "rain_rolling_min_10",
      "rain_rolling_max_10",
      "rides_lag_1",
      "rides_lag_24",
      "rain_lag_1",
      "rain_lag_24",
  };
  const auto names = map.names(columns);
  CHECK(names == expected);
  REQUIRE(names.size() == map.n_features());
  for (std::size_t i = 0; i < names.size(); ++i) {
    CAPTURE(names[i]);
    CHECK(names[i].starts_with(columns[map.column_of(i)]));
  }
  CHECK(map.names().at(21) == "f1_lag_24");
  CHECK_THROWS_AS(map.names(std::vector<std::string>{"one"}), freshet::ConfigurationError);
}

TEST_CASE("computing features changes nothing") {
  FeatureMap map(1, {3}, {2});
  for (int i = 0; i < 5; ++i) next(map, {i * 1.5});
  const FeatureMap before = map;
  std::vector<double> features(map.n_features());
  map.transform(std::vector<double>{99}, features);
  CHECK(map == before);
}

TEST_CASE("a copied or restored feature map goes on bit for bit, a reset one is as new") {
  freshet::RandomGenerator random(21);
  FeatureMap map(3, {2, 5}, {1, 3});
  const auto row = [&] {
    return std::vector<double>{random.normal(), 1e9 + random.normal(), random.uniform()};
  };
  for (int cut = 0; cut < 20; ++cut) {
    FeatureMap original = map;
    freshet::ArchiveWriter writer;
    writer(map);
    freshet::ArchiveReader reader(writer.bytes());
    FeatureMap restored;
    reader(restored);
    for (int i = 0; i < 12; ++i) {
      const auto values = row();
      REQUIRE(next(restored, values) == next(original, values));
    }
    next(map, row());
  }
  map.reset();
  CHECK(map == FeatureMap(3, {2, 5}, {1, 3}));
}

TEST_CASE("a feature map whose parts do not fit is not restored") {
  freshet::RollingFeatures rolling(2, {3});
  freshet::LagFeatures lags(3, {1});
  freshet::ArchiveWriter writer;
  writer(rolling, lags);
  freshet::ArchiveReader reader(writer.bytes());
  FeatureMap map;
  CHECK_THROWS_AS(reader(map), freshet::SnapshotError);
}

TEST_CASE("a feature map refuses impossible parameters") {
  CHECK_THROWS_AS(FeatureMap(0), freshet::ConfigurationError);
  CHECK_THROWS_AS(FeatureMap(1, {0}), freshet::ConfigurationError);
  CHECK_THROWS_AS(FeatureMap(1, {}, {0}), freshet::ConfigurationError);
}
