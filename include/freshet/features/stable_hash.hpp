#pragma once

#include <cstdint>
#include <string_view>

/// @file
/// A hash that means the same everywhere.

namespace freshet {

/// FNV-1a of the bytes in 64 bits (Fowler, Noll and Vo), its halves combined by exclusive or, as
/// its authors advise for 32: a number that is the same on every machine and exact in a double.
[[nodiscard]] constexpr std::uint32_t stable_hash(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char character : text) {
    hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001b3ULL;
  }
  return static_cast<std::uint32_t>(hash ^ (hash >> 32U));
}

}  // namespace freshet
