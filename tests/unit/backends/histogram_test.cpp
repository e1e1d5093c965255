#include "freshet/backends/detail/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include "freshet/core/error.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"

using freshet::BinCount;
using freshet::ConfigurationError;
using freshet::RandomGenerator;
using freshet::backendsdetail::BinScale;
using freshet::backendsdetail::BinSet;
using freshet::backendsdetail::optimal_bins;

namespace {

std::vector<double> edges_of(const BinSet& bins, std::size_t h) {
  return {bins.edges(h).begin(), bins.edges(h).end()};
}

}  // namespace

TEST_CASE("Bins are of equal width, closed below, the last one on both sides") {
  BinSet bins;
  const std::vector<double> values{0, 0, 0, 1, 2, 4};
  CHECK(bins.add(values, 4) == std::vector<double>{3, 1, 1, 1});
  CHECK(edges_of(bins, 0) == std::vector<double>{0, 1, 2, 3, 4});
}

TEST_CASE("Equal values get bins of total width 1 around them") {
  BinSet bins;
  CHECK(bins.add(std::vector{7.0, 7.0}, 2) == std::vector<double>{0, 2});
  CHECK(edges_of(bins, 0) == std::vector<double>{6.5, 7.0, 7.5});
}

TEST_CASE("Edges follow numpy.linspace to the bit") {
  BinSet bins;
  bins.add(std::vector{0.1, 0.7}, 3);
  const double step = (0.7 - 0.1) / 3;
  CHECK(edges_of(bins, 0) == std::vector<double>{0.1, 1 * step + 0.1, 2 * step + 0.1, 0.7});
}

TEST_CASE("Several histograms keep apart") {
  BinSet bins;
  bins.add(std::vector{0.0, 1.0}, 2);
  bins.add(std::vector{5.0, 9.0}, 4);
  CHECK(bins.size() == 2);
  CHECK(bins.n_bins() == 6);
  CHECK(bins.begin(1) == 2);
  CHECK(edges_of(bins, 0) == std::vector<double>{0, 0.5, 1});
  CHECK(edges_of(bins, 1) == std::vector<double>{5, 6, 7, 8, 9});
  CHECK(bins.bin_from(1, 6.0) == 1);
  CHECK(bins.bin_up_to(1, 6.0) == 0);
  CHECK(freshet::test::restored(bins) == bins);
}

TEST_CASE("Bins are found in constant time as a search of the edges finds them") {
  const auto kind = GENERATE(
      from_range(std::begin(freshet::test::all_kinds), std::end(freshet::test::all_kinds)));
  const auto n_bins = GENERATE(as<std::size_t>{}, 1, 2, 10, 97);
  RandomGenerator random(n_bins);
  const freshet::Matrix data = random_rows(kind, 1, 200, random);
  BinSet bins;
  bins.add(data.row(0), n_bins);
  const std::vector<double> edges = edges_of(bins, 0);
  std::vector<double> candidates(data.row(0).begin(), data.row(0).end());
  for (const double edge : edges) {
    candidates.insert(candidates.end(),
                      {edge, std::nextafter(edge, -1e300), std::nextafter(edge, 1e300)});
  }
  candidates.insert(candidates.end(), {-1e100, 1e100});
  const BinScale scale(bins.edges(0), 0.0);
  std::size_t n_decided = 0;
  for (const double x : candidates) {
    const auto clamped = [&](std::ptrdiff_t bin) {
      return static_cast<std::size_t>(
          std::clamp<std::ptrdiff_t>(bin, 0, static_cast<std::ptrdiff_t>(n_bins) - 1));
    };
    const auto n_at_most = std::upper_bound(edges.begin(), edges.end(), x) - edges.begin();
    const auto n_less = std::lower_bound(edges.begin(), edges.end(), x) - edges.begin();
    CHECK(bins.bin_from(0, x) == clamped(n_at_most - 1));
    CHECK(bins.bin_up_to(0, x) == clamped(n_less - 1));
    const std::size_t place = scale.find(x, 0.0);
    if (place == BinScale::undecided) continue;
    ++n_decided;
    CHECK(place == static_cast<std::size_t>(n_less));
    CHECK(place == static_cast<std::size_t>(n_at_most));
  }
  CHECK(n_decided >= 100);
}

TEST_CASE("A scale leaves values to the edges that their rounding may move across one") {
  const std::vector<double> edges{0, 1, 2, 3};
  const BinScale scale(edges, 0.01);
  CHECK(scale.find(1.5, 1.0) == 2);
  CHECK(scale.find(1.009, 1.0) == BinScale::undecided);
  CHECK(scale.find(1.009, 0.5) == 2);
  CHECK(scale.find(-5.0, 1.0) == 0);
  CHECK(scale.find(99.0, 1.0) == 4);
  CHECK(scale.find(1.5, 1e9) == BinScale::undecided);
}

TEST_CASE("Values that differ by rounding alone get the bins of a constant") {
  const double value = GENERATE(1.0, 1e9, -3e17, 1e100, 0.0);
  const std::vector<double> nearly{value, std::nextafter(value, 2e100)};
  BinSet bins;
  CHECK(bins.add(nearly, 10).size() == 10);
  const auto edges = bins.edges(0);
  CHECK(std::is_sorted(edges.begin(), edges.end(), std::less_equal<>{}));  // strictly
  CHECK(edges.front() < value);
  CHECK(edges.back() > nearly[1]);
  CHECK(edges.back() - edges.front() >= 1.0);
}

TEST_CASE("The automatic number of bins is the one of the best penalized likelihood") {
  // Worked out with the definition: the sum over b bins of
  // count * log(b * count / n + 1) - (b - 1 + log(b)^2.5), for b below the root of n.
  std::vector<double> values(100);
  std::iota(values.begin(), values.end(), 0.0);
  CHECK(optimal_bins(values) == 1);
  for (double& value : values) value = value < 90 ? 0.0 : 1.0;
  CHECK(optimal_bins(values) > 1);
  CHECK(optimal_bins(std::vector{1.0, 2.0}) == 1);
}

TEST_CASE("The number of bins is automatic or sensible") {
  CHECK_NOTHROW(freshet::backendsdetail::require_bins(BinCount::automatic()));
  CHECK_NOTHROW(freshet::backendsdetail::require_bins(2));
  CHECK_THROWS_AS(freshet::backendsdetail::require_bins(1), ConfigurationError);
  CHECK_THROWS_AS(freshet::backendsdetail::require_bins(100'001), ConfigurationError);
}
