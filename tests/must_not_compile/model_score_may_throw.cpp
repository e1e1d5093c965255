// expect: noexcept
// Scoring runs without locks between other people's threads: a `score` that may throw is refused.
#include <cstddef>

#include "freshet/core/concepts.hpp"

#ifdef FRESHET_VALID
#define SCORE_NOEXCEPT noexcept
#else
#define SCORE_NOEXCEPT
#endif

struct Constant {
  double score(freshet::RowView) const SCORE_NOEXCEPT { return 0.0; }
  std::size_t n_features() const noexcept { return 1; }
};

template <freshet::Model M>
struct NeedsModel {};

using Checked = NeedsModel<Constant>;
