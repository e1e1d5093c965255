#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"

/// @file
/// What a training asks of its rows, and how a model scores them.

namespace freshet {

/// Throws FitError (fit_failed), about `field`, unless there are `n_least` training rows and they
/// have columns.
/// @param what  what needs them, for the message
inline void require_training_rows(MatrixView rows, std::size_t n_least = 1,
                                  std::string_view what = "a model",
                                  std::string_view field = "rows") {
  if (rows.n_rows() < n_least) {
    const std::string expected = "at least " + std::to_string(n_least) + " training row" +
                                 (n_least == 1 ? std::string() : "s");
    throw FitError(ErrorCode::fit_failed,
                   std::to_string(rows.n_rows()) + " training rows are too few for " +
                       std::string(what) + ": expected " + expected,
                   std::string(field), expected);
  }
  if (rows.n_columns() == 0) {
    throw FitError(ErrorCode::fit_failed, "the training rows have no columns", "rows",
                   "at least one column");
  }
}

/// The raw scores of all rows as of new ones, in their order. O(rows) scores.
template <Model M>
[[nodiscard]] std::vector<double> scores_of(const M& model, MatrixView rows) {
  std::vector<double> scores(rows.n_rows());
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = model.score(rows.row(i));
  return scores;
}

}  // namespace freshet
