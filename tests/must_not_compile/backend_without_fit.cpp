// expect: backend\.fit\(rows, seed\)
// A type without `fit` is not a backend, and the compiler names the missing function.
#include <string_view>

#include "freshet/core/concepts.hpp"
#include "freshet/stream/streaming_detector.hpp"

struct Constant {
  struct Model {
    double score(freshet::RowView) const noexcept { return 0.0; }
    std::size_t n_features() const noexcept { return 1; }
  };
  static constexpr std::string_view name = "constant";
#ifdef FRESHET_VALID
  Model fit(freshet::MatrixView, freshet::Seed) const { return {}; }
#endif
};

using Detector = freshet::StreamingDetector<Constant>;
