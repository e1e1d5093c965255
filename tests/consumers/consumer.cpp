#include <array>
#include <cstdio>

#include <freshet/freshet.hpp>
#include <freshet/nn/lstm.hpp>

// The smallest host: a steady stream with one outlier at the end, which must be the anomaly.
int main() {
  freshet::StreamingDetector detector{
      freshet::Ecod{},
      {.n_features = 2, .min_samples = 50, .window_size = 200, .contamination = 0.01}};
  freshet::Result last;
  for (int i = 0; i < 100; ++i) {
    const double x = i % 7;
    const std::array row{x, 10.0 - x};
    last = detector.process(row);
  }
  const std::array outlier{1000.0, -1000.0};
  last = detector.process(outlier);
  // Compiles the kernels, whose text is no header of its own.
  const freshet::nn::Lstm<float, 1, 4> layer;
  const auto& kernels = layer.kernels();
  std::printf("freshet %s: score %.3f, %td numbers at once\n", FRESHET_VERSION, last.score,
              kernels.register_width);
  return last.is_anomaly ? 0 : 1;
}
