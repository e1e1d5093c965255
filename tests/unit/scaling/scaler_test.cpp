#include "freshet/scaling/scaler.hpp"

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/random.hpp"
#include "support/catch.hpp"

namespace {

using freshet::AffineTransform;
using freshet::MatrixView;
using freshet::Scaling;

MatrixView column(const std::vector<double>& values) { return {values.data(), values.size(), 1}; }

}  // namespace

TEST_CASE("the standard scaler learns mean and population standard deviation") {
  // Columns 1, 2, 3, 4 and 10, 10, 10, 50.
  const std::vector<double> values{1, 10, 2, 10, 3, 10, 4, 50};
  const AffineTransform fitted = freshet::StandardScaler{}.fit(MatrixView(values.data(), 4, 2));
  CHECK(fitted.center()[0] == 2.5);
  CHECK(fitted.center()[1] == 20);
  CHECK(fitted.scale()[0] == Approx(std::sqrt(1.25)).epsilon(1e-15));
  CHECK(fitted.scale()[1] == Approx(std::sqrt(300.0)).epsilon(1e-15));
}

TEST_CASE("the standard scaler keeps the precision of small deviations from a large mean") {
  freshet::RandomGenerator random(31);
  std::vector<double> values(1000);
  for (double& value : values) value = 1e9 + random.normal();
  long double sum = 0;
  for (const double value : values) sum += value;
  const long double mean = sum / 1000;
  long double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const AffineTransform fitted = freshet::StandardScaler{}.fit(column(values));
  CHECK(fitted.center()[0] == Approx(static_cast<double>(mean)).epsilon(1e-15));
  CHECK(fitted.scale()[0] == Approx(static_cast<double>(std::sqrt(squares / 1000))).epsilon(1e-13));
}

TEST_CASE("the min-max scaler maps the range to the one asked for") {
  const std::vector<double> values{3, -1, 7};
  const AffineTransform fitted = freshet::MinMaxScaler{}.fit(column(values));
  CHECK(fitted.center()[0] == -1);
  CHECK(fitted.scale()[0] == 8);
  const AffineTransform wide = freshet::MinMaxScaler{.low = -1, .high = 1}.fit(column(values));
  double out = 0;
  for (const auto& [value, expected] : {std::pair(-1.0, -1.0), {7.0, 1.0}, {3.0, 0.0}}) {
    wide.transform({&value, 1}, {&out, 1});
    CHECK(out == expected);
  }
}

TEST_CASE("the robust scaler learns median and interquartile range") {
  const std::vector<double> odd{1, 2, 1000, 4, 3};
  const AffineTransform fitted = freshet::RobustScaler{}.fit(column(odd));
  CHECK(fitted.center()[0] == 3);
  CHECK(fitted.scale()[0] == 2);
  const std::vector<double> even{4, 1, 3, 2};
  CHECK(freshet::RobustScaler{}.fit(column(even)).center()[0] == 2.5);
  CHECK(freshet::RobustScaler{}.fit(column(even)).scale()[0] == 1.5);
  CHECK(freshet::RobustScaler{.low_percent = 0, .high_percent = 100}.fit(column(odd)).scale()[0] ==
        999);
}

TEST_CASE("features without spread are only shifted") {
  const auto scaling = GENERATE(Scaling::standard, Scaling::min_max, Scaling::robust);
  const double value = GENERATE(0.0, 0.1, -1e9 / 3.0, 1e100);
  const std::vector<double> values(37, value);
  const AffineTransform fitted = freshet::fit(scaling, column(values));
  CHECK(fitted.center()[0] == value);
  CHECK(fitted.scale()[0] == 1.0);
}

TEST_CASE("a spread that rounding explains counts as none") {
  const std::vector<double> noise{1.0, 1.0 + 0x1.0p-52, 1.0, 1.0};
  CHECK(freshet::fit(Scaling::standard, column(noise)).scale()[0] == 1.0);
  CHECK(freshet::fit(Scaling::min_max, column(noise)).scale()[0] == 1.0);
  const std::vector<double> small{1e-30, -1e-30, 2e-30, 0.0};
  CHECK(freshet::fit(Scaling::standard, column(small)).scale()[0] < 1e-29);
  CHECK(freshet::fit(Scaling::robust, column(small)).scale()[0] == 1.0);
}

TEST_CASE("scaled training rows are finite, whatever their magnitude") {
  const auto scaling = GENERATE(Scaling::standard, Scaling::min_max, Scaling::robust);
  const std::vector<double> values{1e100, -1e100, 1e100, 5e-324, 0.0};
  const freshet::Matrix scaled = freshet::fit(scaling, column(values)).transform(column(values));
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(std::isfinite(scaled(i, 0)));
}

TEST_CASE("no scaling is the identity") {
  const std::vector<double> values{1, 2, 3, 4};
  CHECK(freshet::fit(Scaling::none, MatrixView(values.data(), 2, 2)) ==
        AffineTransform::identity(2));
}

TEST_CASE("scalers fit overlapping rows") {
  const std::vector<double> series{1, 2, 3, 4};
  const AffineTransform fitted = freshet::fit(Scaling::standard, column(series).shingled(2));
  REQUIRE(fitted.n_features() == 2);
  CHECK(fitted.center()[0] == 2);
  CHECK(fitted.center()[1] == 3);
}

TEST_CASE("scalers refuse what they cannot fit") {
  const auto scaling = GENERATE(Scaling::standard, Scaling::min_max, Scaling::robust);
  CHECK_THROWS_AS(freshet::fit(scaling, MatrixView(nullptr, 0, 3)), freshet::FitError);
  const std::vector<double> values{1, 2};
  CHECK_THROWS_AS((freshet::MinMaxScaler{.low = 1, .high = 1}.fit(column(values))),
                  freshet::ConfigurationError);
  CHECK_THROWS_AS(
      (freshet::RobustScaler{.low_percent = 60, .high_percent = 40}.fit(column(values))),
      freshet::ConfigurationError);
}

TEST_CASE("scalings have the names of configurations") {
  CHECK(to_string(Scaling::none) == "none");
  CHECK(to_string(Scaling::standard) == "standard");
  CHECK(to_string(Scaling::min_max) == "min_max");
  CHECK(to_string(Scaling::robust) == "robust");
}
