// expect: model\.score\(row\)
// A model is immutable: a `score` that changes it is refused.
#include <cstddef>

#include "freshet/core/concepts.hpp"

#ifdef FRESHET_VALID
#define SCORE_CONST const
#else
#define SCORE_CONST
#endif

struct Constant {
  double score(freshet::RowView) SCORE_CONST noexcept { return 0.0; }
  std::size_t n_features() const noexcept { return 1; }
};

template <freshet::Model M>
struct NeedsModel {};

using Checked = NeedsModel<Constant>;
