#include "freshet/threshold/percentile.hpp"

#include <limits>
#include <vector>

#include "freshet/core/error.hpp"
#include "support/catch.hpp"

using freshet::PercentileThreshold;

TEST_CASE("the threshold is the percentile that numpy computes") {
  // numpy.percentile([0.3, 0.1, 0.2, 0.7, 0.45], 100 * (1 - c))
  const std::vector<double> scores{0.3, 0.1, 0.2, 0.7, 0.45};
  CHECK(PercentileThreshold::of_contamination(0.1).fit(scores) == 0x1.3333333333333p-1);
  CHECK(PercentileThreshold::of_contamination(0.25).fit(scores) == 0.45);
  CHECK(PercentileThreshold::of_contamination(0.5).fit(scores) == 0.3);
  CHECK(PercentileThreshold{0.0}.fit(scores) == 0.1);
  CHECK(PercentileThreshold{100.0}.fit(scores) == 0.7);
  CHECK(PercentileThreshold{37.0}.fit(std::vector<double>{5.0}) == 5.0);
}

TEST_CASE("only scores beyond the threshold are anomalies") {
  CHECK(freshet::is_anomaly(0.6, 0.5));
  CHECK_FALSE(freshet::is_anomaly(0.5, 0.5));
  CHECK_FALSE(freshet::is_anomaly(std::numeric_limits<double>::quiet_NaN(), 0.5));
}

TEST_CASE("thresholds refuse what they cannot be fitted to") {
  const std::vector<double> scores{1, 2};
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(PercentileThreshold{}.fit({}), freshet::FitError);
  CHECK_THROWS_AS(PercentileThreshold{}.fit(std::vector<double>{1, infinity}), freshet::FitError);
  CHECK_THROWS_AS(PercentileThreshold{101}.fit(scores), freshet::ConfigurationError);
  CHECK_THROWS_AS(PercentileThreshold::of_contamination(0.0), freshet::ConfigurationError);
  CHECK_THROWS_AS(PercentileThreshold::of_contamination(0.6), freshet::ConfigurationError);
}
