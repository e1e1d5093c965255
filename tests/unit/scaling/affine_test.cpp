#include "freshet/scaling/affine.hpp"

#include <limits>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/io/archive.hpp"
#include "support/catch.hpp"

using freshet::AffineTransform;

TEST_CASE("an affine transform subtracts and divides, also in place, and back") {
  const AffineTransform transform({1, -2}, {2, 0.5});
  REQUIRE(transform.n_features() == 2);
  std::vector<double> row{5, 1};
  std::vector<double> scaled(2);
  transform.transform(row, scaled);
  CHECK(scaled == std::vector<double>{2, 6});
  transform.transform(row, row);
  CHECK(row == scaled);
  transform.inverse_transform(row, row);
  CHECK(row == std::vector<double>{5, 1});
}

TEST_CASE("an affine transform scales every row of a matrix") {
  const AffineTransform transform({1, 0}, {2, 1});
  const std::vector<double> values{1, 2, 3, 4};
  const freshet::Matrix scaled = transform.transform(freshet::MatrixView(values.data(), 2, 2));
  CHECK(scaled(0, 0) == 0);
  CHECK(scaled(0, 1) == 2);
  CHECK(scaled(1, 0) == 1);
  CHECK(scaled(1, 1) == 4);
}

TEST_CASE("the identity changes nothing") {
  std::vector<double> row{5, -1e100};
  AffineTransform::identity(2).transform(row, row);
  CHECK(row == std::vector<double>{5, -1e100});
}

TEST_CASE("an affine transform refuses what it could not divide by") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(AffineTransform({1}, {0}), freshet::ConfigurationError);
  CHECK_THROWS_AS(AffineTransform({1}, {-1}), freshet::ConfigurationError);
  CHECK_THROWS_AS(AffineTransform({1}, {infinity}), freshet::ConfigurationError);
  CHECK_THROWS_AS(AffineTransform({infinity}, {1}), freshet::ConfigurationError);
  CHECK_THROWS_AS(AffineTransform({1, 2}, {1}), freshet::ConfigurationError);
}

TEST_CASE("affine transforms are restored exactly, damaged ones are not") {
  const auto restored_from = [](std::vector<double>&& center, std::vector<double>&& scale) {
    freshet::ArchiveWriter writer;
    writer(center, scale);
    freshet::ArchiveReader reader(writer.bytes());
    AffineTransform transform;
    reader(transform);
    return transform;
  };
  AffineTransform transform({1.0 / 3.0, 2}, {0.1, 3});
  freshet::ArchiveWriter writer;
  writer(transform);
  freshet::ArchiveReader reader(writer.bytes());
  AffineTransform restored;
  reader(restored);
  CHECK(restored == transform);
  CHECK_THROWS_AS(restored_from({1, 2}, {1}), freshet::SnapshotError);
  CHECK_THROWS_AS(restored_from({1}, {0}), freshet::SnapshotError);
  CHECK_THROWS_AS(restored_from({std::numeric_limits<double>::quiet_NaN()}, {1}),
                  freshet::SnapshotError);
}
