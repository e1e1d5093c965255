#include <limits>
#include <vector>

#include "counter.hpp"
#include "freshet/backends/cblof.hpp"
#include "freshet/backends/copod.hpp"
#include "freshet/backends/ecod.hpp"
#include "freshet/backends/hbos.hpp"
#include "freshet/backends/isolation_forest.hpp"
#include "freshet/backends/knn.hpp"
#include "freshet/backends/local_outlier_factor.hpp"
#include "freshet/backends/loda.hpp"
#include "freshet/backends/mcd.hpp"
#include "freshet/backends/one_class_svm.hpp"
#include "freshet/backends/suod.hpp"
#include "freshet/core/random.hpp"
#include "freshet/stream/streaming_detector.hpp"
#include "support/catch.hpp"

using freshet::test::n_allocations;

TEMPLATE_TEST_CASE("scoring allocates nothing once there is a model", "", freshet::Ecod,
                   freshet::Copod, freshet::Hbos, freshet::Loda, freshet::IsolationForest,
                   freshet::Knn, freshet::LocalOutlierFactor, freshet::Cblof, freshet::Mcd,
                   freshet::OneClassSvm, freshet::Suod) {
  freshet::StreamingConfig config{.n_features = 5, .min_samples = 50, .retrain_interval = 100};
  config.window_size = 200;
  config.rolling_windows = {5, 10, 20};
  config.lag_periods = {1, 2, 3};
  config.shingle = 2;
  config.scaler = freshet::Scaling::standard;
  config.retrain = freshet::Retrain::manual;
  freshet::StreamingDetector detector(TestType{}, config);

  freshet::RandomGenerator random(1);
  freshet::Matrix rows(1000, 5);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    for (double& value : rows.row(i)) value = random.normal();
  }
  freshet::Matrix bad(1, 5);
  bad(0, 3) = std::numeric_limits<double>::quiet_NaN();

  for (std::size_t i = 0; i < 60; ++i) (void)detector.process(rows.row(i));
  detector.retrain();
  (void)detector.process(rows.row(60));  // a thread's first scaled row makes its scratch

  double sum = 0.0;
  int refused = 0;
  const long before = n_allocations();
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    sum += detector.process(rows.row(i), static_cast<double>(i)).score;
    if (!detector.try_process(bad.row(0))) ++refused;
    const auto generation = detector.generation();
    sum += static_cast<double>(generation->version());
  }
  CHECK(n_allocations() == before);
  CHECK(refused == 1000);
  CHECK(sum > 0.0);
}

TEST_CASE("the counter counts") {
  const long before = n_allocations();
  const std::vector<double> values(10);
  CHECK(n_allocations() == before + 1);
  struct alignas(64) Line {
    double values[8];
  };
  const std::vector<Line> lines(10);
  CHECK(n_allocations() == before + 2);
}
