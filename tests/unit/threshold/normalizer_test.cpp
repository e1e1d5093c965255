#include "freshet/threshold/normalizer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/random.hpp"
#include "freshet/io/archive.hpp"
#include "support/catch.hpp"

namespace {

using freshet::Normalization;
using freshet::Normalizer;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double largest = std::numeric_limits<double>::max();

double above(double value) { return std::nextafter(value, infinity); }
double below(double value) { return std::nextafter(value, -infinity); }

Normalizer calibrated(std::vector<double> scores, double contamination) {
  return Normalizer::fit(Normalization::calibrated, scores, contamination);
}

}  // namespace

TEST_CASE("calibrated scores are one half at the percentile and a quarter at the median") {
  // Percentile 75 is 4, the median 3.
  const Normalizer normalizer = calibrated({5, 1, 4, 2, 3}, 0.25);
  CHECK(normalizer(4) == 0.5);
  CHECK(normalizer(3) == Approx(0.25).epsilon(1e-15));
  CHECK(normalizer(5) == Approx(0.75).epsilon(1e-15));
  CHECK(normalizer(2) == Approx(0.1).epsilon(1e-15));
  CHECK(normalizer.default_threshold() == 0.5);
}

TEST_CASE("calibrated scores exceed one half exactly for raw scores above the percentile") {
  const std::uint64_t seed = GENERATE(range(1, 201));
  CAPTURE(seed);
  freshet::RandomGenerator random(seed);
  std::vector<double> scores(2 + random.below(100));
  const double offset = random.below(2) == 0 ? 0.0 : 1e9;
  for (double& score : scores) score = offset + std::exp(3.0 * random.normal());
  const double contamination = 0.01 + 0.49 * random.uniform();
  const Normalizer normalizer = calibrated(scores, contamination);
  const double p = freshet::percentile(scores, 100.0 * (1.0 - contamination));
  CHECK(normalizer(p) == 0.5);
  CHECK(normalizer(above(p)) > 0.5);
  CHECK(normalizer(below(p)) <= 0.5);
  for (const double score : scores) REQUIRE((normalizer(score) > 0.5) == (score > p));
}

TEST_CASE("when percentile and median coincide the next larger spread is the scale") {
  // Percentile 75 and median 2, maximum 6.
  const Normalizer to_maximum = calibrated({1, 2, 2, 2, 6}, 0.25);
  CHECK(to_maximum(2) == 0.5);
  CHECK(to_maximum(6) == Approx(0.75).epsilon(1e-15));
  CHECK(to_maximum(-2) == Approx(0.25).epsilon(1e-15));
  // Percentile 75, median and maximum 2, minimum 1.
  const Normalizer whole_range = calibrated({1, 2, 2, 2, 2}, 0.25);
  CHECK(whole_range(2) == 0.5);
  CHECK(whole_range(1) == Approx(0.25).epsilon(1e-15));
  CHECK(whole_range(above(2)) > 0.5);
  CHECK(whole_range(3) == Approx(0.75).epsilon(1e-15));
}

TEST_CASE("equal training scores are calibrated to a quarter, larger ones to one") {
  const double value = GENERATE(0.0, 0.1, -7.0, 1e300);
  const Normalizer normalizer = calibrated({value, value, value}, 0.1);
  CHECK(normalizer(value) == 0.25);
  CHECK(normalizer(below(value)) == 0.25);
  CHECK(normalizer(above(value)) == 1.0);
  CHECK(calibrated({value}, 0.5)(value) == 0.25);
}

TEST_CASE("zscore and standardization use mean and population standard deviation") {
  const std::vector<double> scores{2, 4, 4, 4, 5, 5, 7, 9};  // mean 5, standard deviation 2
  const Normalizer zscore = Normalizer::fit(Normalization::zscore, scores, 0.1);
  CHECK(zscore(5) == 0.0);
  CHECK(zscore(9) == 2.0);
  CHECK(zscore(1) == -2.0);
  CHECK(zscore.default_threshold() == 2.0);
  const Normalizer standard = Normalizer::fit(Normalization::standardization, scores, 0.1);
  CHECK(standard(5) == 0.5);
  CHECK(standard(7) == Approx(1.0 / (1.0 + std::exp(-1.0))).epsilon(1e-15));
  CHECK(standard.default_threshold() == 0.5);
  const std::vector<double> equal{0.1, 0.1, 0.1};
  CHECK(Normalizer::fit(Normalization::zscore, equal, 0.1)(0.1) == 0.0);
  CHECK(Normalizer::fit(Normalization::zscore, equal, 0.1)(2.1) == 2.0);
}

TEST_CASE("raw scores stay, with the percentile as threshold") {
  const Normalizer raw =
      Normalizer::fit(Normalization::raw, std::vector<double>{5, 1, 4, 2, 3}, 0.25);
  CHECK(raw(-3.25) == -3.25);
  CHECK(raw.default_threshold() == 4.0);
}

TEST_CASE("every normalization is monotone and never NaN") {
  const auto kind = GENERATE(Normalization::calibrated, Normalization::standardization,
                             Normalization::zscore, Normalization::raw);
  const std::vector<double> scores =
      GENERATE(values<std::vector<double>>({{1, 2, 3, 10},
                                            {0, 0, 0, 0},
                                            {0, 0, 0, 5e-324},
                                            {-largest, 0, 0.5, largest / 4},
                                            {largest, largest, largest},
                                            {1e200, 2e200, -3e200},
                                            {1e9, 1e9 + 1e-6, 1e9 + 1}}));
  const double contamination = GENERATE(0.1, 0.5);
  const Normalizer normalizer = Normalizer::fit(kind, scores, contamination);
  std::vector<double> raw{-infinity, -largest, -1e300, -1e9,  -1,      -5e-324, 0,
                          5e-324,    1,        1e9,    1e300, largest, infinity};
  for (const double score : scores) {
    raw.insert(raw.end(), {below(score), score, above(score), 1.5 * (score / 2)});
  }
  double low = freshet::percentile(scores, 100.0 * (1.0 - contamination));
  double high = low;
  for (int i = 0; i < 200; ++i) {
    low = below(low);
    high = above(high);
    raw.insert(raw.end(), {low, high});
  }
  std::sort(raw.begin(), raw.end());
  double previous = -infinity;
  for (const double value : raw) {
    const double score = normalizer(value);
    REQUIRE(score >= previous);
    previous = score;
  }
  CHECK(std::isfinite(normalizer.default_threshold()));
}

TEST_CASE("normalizers refuse what they cannot be fitted to") {
  const auto kind = GENERATE(Normalization::calibrated, Normalization::standardization,
                             Normalization::zscore, Normalization::raw);
  const std::vector<double> scores{1, 2, 3};
  CHECK_THROWS_AS(Normalizer::fit(kind, {}, 0.1), freshet::FitError);
  CHECK_THROWS_AS(Normalizer::fit(kind, std::vector<double>{1, infinity}, 0.1), freshet::FitError);
  CHECK_THROWS_AS(Normalizer::fit(kind, std::vector<double>{1, std::nan("")}, 0.1),
                  freshet::FitError);
  CHECK_THROWS_AS(Normalizer::fit(kind, scores, 0.0), freshet::ConfigurationError);
  CHECK_THROWS_AS(Normalizer::fit(kind, scores, 0.51), freshet::ConfigurationError);
}

TEST_CASE("scores whose differences overflow cannot be calibrated") {
  CHECK_THROWS_AS(calibrated({-largest, largest}, 0.25), freshet::FitError);
}

TEST_CASE("restored normalizers are the same, damaged ones are refused") {
  const auto kind = GENERATE(Normalization::calibrated, Normalization::standardization,
                             Normalization::zscore, Normalization::raw);
  Normalizer normalizer = Normalizer::fit(kind, std::vector<double>{1, 2, 4, 8}, 0.2);
  freshet::ArchiveWriter writer;
  writer(normalizer);
  freshet::ArchiveReader reader(writer.bytes());
  Normalizer restored;
  reader(restored);
  CHECK(restored == normalizer);

  const auto damaged = [](std::uint8_t stored_kind, double center, double scale) {
    freshet::ArchiveWriter stored;
    stored(stored_kind, center, scale);
    freshet::ArchiveReader stored_reader(stored.bytes());
    Normalizer read;
    stored_reader(read);
  };
  CHECK_NOTHROW(damaged(0, 1.0, 0.0));
  CHECK_THROWS_AS(damaged(4, 1.0, 1.0), freshet::SnapshotError);
  CHECK_THROWS_AS(damaged(2, 1.0, 0.0), freshet::SnapshotError);
  CHECK_THROWS_AS(damaged(0, 1.0, -1.0), freshet::SnapshotError);
  CHECK_THROWS_AS(damaged(0, infinity, 1.0), freshet::SnapshotError);
}

TEST_CASE("normalizations have the names of configurations") {
  CHECK(to_string(Normalization::calibrated) == "calibrated");
  CHECK(to_string(Normalization::standardization) == "standardization");
  CHECK(to_string(Normalization::zscore) == "zscore");
  CHECK(to_string(Normalization::raw) == "raw");
}
