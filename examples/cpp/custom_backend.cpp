// A detection method of one's own: a backend is a value that trains models, a model scores rows.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string_view>

#include "freshet/freshet.hpp"

// How many standard deviations the farthest column is from its training mean.
struct FarthestModel {
  freshet::AffineTransform scaling;

  [[nodiscard]] std::size_t n_features() const noexcept { return scaling.n_features(); }
  [[nodiscard]] double score(freshet::RowView row) const noexcept {
    double farthest = 0.0;
    for (std::size_t j = 0; j < row.size(); ++j) {
      const double distance = (row[j] - scaling.center()[j]) / scaling.scale()[j];
      farthest = std::max(farthest, std::abs(distance));
    }
    return farthest;
  }
};

struct Farthest {
  using Model = FarthestModel;
  static constexpr std::string_view name = "farthest";

  [[nodiscard]] Model fit(freshet::MatrixView rows, freshet::Seed /*seed*/) const {
    return {freshet::StandardScaler{}.fit(rows)};
  }
};
static_assert(freshet::Backend<Farthest>);

int main() {
  // Window, features, calibration and retraining come with the detector.
  freshet::StreamingDetector detector{
      Farthest{}, {.n_features = 3, .contamination = 0.001, .retrain = freshet::Retrain::inline_}};
  freshet::RandomGenerator random(1);
  for (int i = 0; i < 5000; ++i) {
    std::array row{random.normal(), random.normal(), random.normal()};
    if (i % 1000 == 999) row[1] += 8.0;
    const freshet::Result verdict = detector.process(row);
    if (verdict.is_anomaly) {
      std::printf("row %d: %.1f standard deviations\n", i, verdict.raw_score);
    }
  }
}
