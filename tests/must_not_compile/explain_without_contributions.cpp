// expect: ExplainableModel|model\.explain\(row, contributions\)
// `explain` exists only where the model can explain itself.
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/stream/streaming_detector.hpp"

struct Constant {
  struct Model {
    double score(freshet::RowView) const noexcept { return 0.0; }
    std::size_t n_features() const noexcept { return 1; }
#ifdef FRESHET_VALID
    void explain(freshet::RowView, std::span<double> contributions) const noexcept {
      contributions[0] = 0.0;
    }
#endif
  };
  static constexpr std::string_view name = "constant";
  Model fit(freshet::MatrixView, freshet::Seed) const { return {}; }
};

std::vector<double> explain(const freshet::StreamingDetector<Constant>& detector,
                            freshet::RowView row) {
  return detector.explain(row);
}
