#pragma once

/// @file
/// How often this program has allocated.

namespace freshet::test {

/// Calls of `operator new` of any kind, of all threads, since the program began.
[[nodiscard]] long n_allocations() noexcept;

}  // namespace freshet::test
