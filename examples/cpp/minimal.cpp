// Two sensors, a reading every minute; once a day both of them jump.

#include <array>
#include <cstdio>

#include "freshet/freshet.hpp"

int main() {
  freshet::StreamingDetector detector{
      freshet::Ecod{},
      {.n_features = 2,
       .min_samples = 500,
       .contamination = 0.002,                  // rows expected to be anomalous
       .rolling_windows = {5},                  // mean, std, min and max of the last 5 minutes
       .retrain = freshet::Retrain::inline_}};  // the same verdicts in every run
  freshet::RandomGenerator random(1);
  for (int minute = 0; minute < 3 * 1440; ++minute) {
    const bool jump = minute % 1440 == 1000;
    const std::array row{20.0 + 0.5 * random.normal() + (jump ? 6.0 : 0.0),
                         1013.0 + random.normal() - (jump ? 11.0 : 0.0)};
    if (const freshet::Result verdict = detector.process(row); verdict.is_anomaly) {
      std::printf("minute %d: %.1f °C, score %.2f\n", minute, row[0], verdict.score);
    }
  }
}
