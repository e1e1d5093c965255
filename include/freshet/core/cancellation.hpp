#pragma once

#include <cstddef>
#include <stop_token>
#include <string>
#include <string_view>

#include "freshet/core/error.hpp"

/// @file
/// How a training ends early.

namespace freshet {

/// Throws FitError (fit_cancelled) if `stop` is requested.
/// @param unit   what the training counts, for the message: "epoch"
/// @param count  where it is, from 1
inline void require_not_cancelled(const std::stop_token& stop, std::string_view unit,
                                  std::size_t count) {
  if (!stop.stop_requested()) return;
  throw FitError(ErrorCode::fit_cancelled, "the training was cancelled in " + std::string(unit) +
                                               " " + std::to_string(count));
}

}  // namespace freshet
