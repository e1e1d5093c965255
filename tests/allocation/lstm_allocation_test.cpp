#include <cstddef>
#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

#include "counter.hpp"
#include "freshet/backends/lstm_autoencoder.hpp"
#include "freshet/stream/streaming_detector.hpp"
#include "support/catch.hpp"
#include "support/lstm_data.hpp"

using freshet::test::n_allocations;

TEST_CASE("an LSTM autoencoder allocates nothing after a thread's first window") {
  freshet::LstmAutoencoder backend = freshet::test::tiny();
  backend.dtype = GENERATE(freshet::Dtype::float32, freshet::Dtype::float64);
  backend.latent_size = GENERATE(std::optional<std::size_t>{}, std::optional<std::size_t>{2});
  backend.num_layers = backend.latent_size ? 2 : 1;
  freshet::StreamingConfig config{.n_features = 3, .min_samples = 50, .retrain_interval = 100};
  config.window_size = 100;
  config.retrain = freshet::Retrain::manual;
  freshet::StreamingDetector detector(backend, config);
  const freshet::Matrix rows = freshet::test::waves(500, 3);
  for (std::size_t i = 0; i < 60; ++i) (void)detector.process(rows.row(i));
  detector.retrain();
  (void)detector.process(rows.row(60));

  double sum = 0.0;
  long before = n_allocations();
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    sum += detector.process(rows.row(i)).raw_score;
    sum += static_cast<double>(detector.generation()->version());
  }
  CHECK(n_allocations() == before);
  CHECK(sum > 0.0);

  const auto& model = detector.generation()->model();
  const freshet::RowView window = rows.view().shingled(6).row(9);
  std::vector<double> values(model.n_features());
  std::vector<freshet::RowView> windows;
  for (std::size_t i = 0; i < 40; ++i) windows.push_back(rows.view().shingled(6).row(i));
  std::vector<double> errors(windows.size());
  model.score(windows, errors);  // more windows at once need more room
  before = n_allocations();
  model.explain(window, values);
  model.squared_errors(window, values);
  model.reconstruct(window, values);
  model.score(windows, errors);
  CHECK(n_allocations() == before);
}
