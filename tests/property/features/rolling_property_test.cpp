#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "freshet/core/random.hpp"
#include "freshet/features/feature_map.hpp"
#include "support/catch.hpp"
#include "support/rolling_reference.hpp"

namespace {

using freshet::RandomGenerator;

struct Series {
  std::string name;
  std::function<double(RandomGenerator&, std::size_t)> value;
};

const std::vector<Series>& kinds() {
  static const std::vector<Series> all{
      {"normal", [](auto& random, auto) { return random.normal(); }},
      {"ties", [](auto& random, auto) { return static_cast<double>(random.below(3)); }},
      {"constant", [](auto&, auto) { return 0.1; }},
      {"large", [](auto& random, auto) { return 1e9 + random.normal(); }},
      {"tiny", [](auto& random, auto) { return 1e-60 * random.normal(); }},
      {"huge", [](auto& random, auto) { return 1e99 * random.uniform(); }},
      {"heavy", [](auto& random, auto) { return std::exp(8.0 * random.normal()); }},
      {"spiky",
       [](auto& random, auto) { return random.below(20) == 0 ? 1e9 : 5.0 + random.normal(); }},
      {"steps",
       [](auto& random, auto i) { return (i / 37 % 2 == 0 ? 1e9 : 0.0) + random.normal(); }},
      {"ramp",
       [](auto& random, auto i) { return 1e4 * static_cast<double>(i) + random.uniform(); }},
  };
  return all;
}

std::vector<std::size_t> distinct(RandomGenerator& random, std::size_t count, std::size_t below) {
  std::set<std::size_t> chosen;
  while (chosen.size() < count) chosen.insert(1 + static_cast<std::size_t>(random.below(below)));
  std::vector<std::size_t> periods(chosen.begin(), chosen.end());
  random.shuffle(std::span(periods));
  return periods;
}

}  // namespace

TEST_CASE("features of random streams are those of a two-pass computation") {
  const auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{121}));
  RandomGenerator random(seed);
  const auto n_columns = static_cast<std::size_t>(1 + random.below(7));
  const auto windows = distinct(random, random.below(4), 60);
  const auto lags = distinct(random, random.below(4), 60);
  const auto n_rows = static_cast<std::size_t>(1 + random.below(250));
  freshet::FeatureMap map(n_columns, windows, lags);
  std::vector<const Series*> series;
  for (std::size_t j = 0; j < n_columns; ++j) series.push_back(&kinds()[random.below(10)]);

  std::vector<std::vector<double>> columns(n_columns);
  std::vector<double> features(map.n_features());
  for (std::size_t i = 0; i < n_rows; ++i) {
    std::vector<double> row;
    for (std::size_t j = 0; j < n_columns; ++j) {
      row.push_back(series[j]->value(random, i));
      columns[j].push_back(row.back());
    }
    map.transform(row, features);
    map.update(row);

    const double* feature = features.data();
    for (std::size_t j = 0; j < n_columns; ++j) REQUIRE(*feature++ == row[j]);
    for (std::size_t j = 0; j < n_columns; ++j) {
      for (const std::size_t window : windows) {
        CAPTURE(seed, i, j, window, series[j]->name);
        REQUIRE(test_support::agrees(feature, test_support::two_pass(columns[j], window)));
        feature += 4;
      }
    }
    for (std::size_t j = 0; j < n_columns; ++j) {
      for (const std::size_t lag : lags) {
        CAPTURE(seed, i, j, lag);
        REQUIRE(*feature++ == (lag <= i ? columns[j][i - lag] : 0.0));
      }
    }
  }
}

TEST_CASE("each column's features are those it has alone") {
  const auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{31}));
  CAPTURE(seed);
  RandomGenerator random(seed);
  const auto n_columns = static_cast<std::size_t>(2 + random.below(5));
  const auto windows = distinct(random, 2, 12);
  freshet::RollingFeatures together(n_columns, windows);
  std::vector<freshet::RollingFeatures> alone(n_columns, freshet::RollingFeatures(1, windows));
  std::vector<double> features(together.n_features());
  std::vector<double> expected(alone.front().n_features());
  for (int i = 0; i < 60; ++i) {
    std::vector<double> row(n_columns);
    for (double& value : row) value = 1e6 * random.normal();
    together.transform(row, features);
    together.update(row);
    for (std::size_t j = 0; j < n_columns; ++j) {
      const freshet::RowView own(&row[j], 1);
      alone[j].transform(own, expected);
      alone[j].update(own);
      for (std::size_t k = 0; k < expected.size(); ++k) {
        REQUIRE(features[j * expected.size() + k] == expected[k]);
      }
    }
  }
}
