#pragma once

#include <cstdio>
#include <cstdlib>

/// @file
/// Assertions of fuzz programs, which hold in every build type.

namespace freshet::fuzz {

/// Ends the program, which is how libFuzzer sees a finding, unless `condition` holds.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken invariant: %s\n", what);
  std::abort();
}

}  // namespace freshet::fuzz
