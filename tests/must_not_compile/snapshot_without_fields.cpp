// expect: a backend needs visit_fields
#include "freshet/io/snapshot.hpp"
#include "freshet/stream/streaming_detector.hpp"

struct Model {
  double mean = 0.0;
  std::size_t n_features() const { return 1; }
  double score(freshet::RowView row) const noexcept { return row[0] - mean; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(mean);
  }
};

struct WithoutFields {
  static constexpr std::string_view name = "without fields";
  using Model = ::Model;
  Model fit(freshet::MatrixView rows, freshet::Seed) const { return {rows(0, 0)}; }
#ifdef FRESHET_VALID
  template <class Visitor>
  void visit_fields(Visitor&& /*visitor*/) {}
#endif
};

auto bytes(freshet::StreamingDetector<WithoutFields>& detector) {
  return freshet::snapshot(detector);
}
