#pragma once

/// @file
/// One way to include Catch2, whichever of version 2 (one header) and 3 is installed. Tests use the
/// spelling of version 3: `Approx`, `Catch::Matchers::WithinRel`,
/// `Catch::Matchers::ContainsSubstring`, and in `GENERATE` the generators (`values`, `range`,
/// `table`, ...) by their bare names.

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>

using Catch::Approx;
#else
#include <catch2/catch.hpp>

namespace Catch::Matchers {

inline auto ContainsSubstring(const std::string& text) { return Contains(text); }

}  // namespace Catch::Matchers
#endif
