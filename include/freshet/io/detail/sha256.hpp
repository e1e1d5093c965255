#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

/// @file
/// SHA-256, of our own because a header-only library must not make its users link a crypto library.

namespace freshet::iodetail {

/// SHA-256 (FIPS 180-4) of bytes that arrive in pieces. A value type: a copy goes on independently.
class Sha256 {
 public:
  using Digest = std::array<std::byte, 32>;

  /// Appends `bytes` to the message, whose length is below 2⁶¹ bytes. O(bytes).
  void update(std::span<const std::byte> bytes) noexcept {
    n_bytes_ += bytes.size();
    while (!bytes.empty()) {
      if (n_pending_ == 0 && bytes.size() >= block_size) {
        compress(bytes.first<block_size>());
        bytes = bytes.subspan(block_size);
        continue;
      }
      const std::size_t n = std::min(bytes.size(), block_size - n_pending_);
      std::memcpy(pending_.data() + n_pending_, bytes.data(), n);
      n_pending_ += n;
      bytes = bytes.subspan(n);
      if (n_pending_ == block_size) {
        compress(pending_);
        n_pending_ = 0;
      }
    }
  }

  /// The digest of the message so far, which may still go on.
  [[nodiscard]] Digest digest() const noexcept {
    Sha256 padded = *this;
    // A one bit, zeros, and the length in bits at the end of a block.
    std::array<std::byte, block_size + length_size> padding{std::byte{0x80}};
    const std::size_t used = n_pending_ + 1 + length_size;
    const std::size_t n_zeros = used <= block_size ? block_size - used : 2 * block_size - used;
    const std::uint64_t n_bits = n_bytes_ * 8;
    for (std::size_t i = 0; i < length_size; ++i) {
      padding[1 + n_zeros + i] = static_cast<std::byte>(n_bits >> (56 - 8 * i));
    }
    padded.update(std::span(padding).first(1 + n_zeros + length_size));
    Digest digest{};
    for (std::size_t i = 0; i < digest.size(); ++i) {
      digest[i] = static_cast<std::byte>(padded.state_[i / 4] >> (24 - 8 * (i % 4)));
    }
    return digest;
  }

 private:
  static constexpr std::size_t block_size = 64;
  static constexpr std::size_t length_size = 8;

  void compress(std::span<const std::byte, block_size> block) noexcept {
    std::array<std::uint32_t, 64> schedule{};
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t k = 0; k < 4; ++k) {
        schedule[i] = schedule[i] << 8U | std::to_integer<std::uint32_t>(block[4 * i + k]);
      }
    }
    for (std::size_t i = 16; i < schedule.size(); ++i) {
      const std::uint32_t near = schedule[i - 2];
      const std::uint32_t far = schedule[i - 15];
      schedule[i] = schedule[i - 16] + schedule[i - 7] +
                    (std::rotr(far, 7) ^ std::rotr(far, 18) ^ far >> 3U) +
                    (std::rotr(near, 17) ^ std::rotr(near, 19) ^ near >> 10U);
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (std::size_t i = 0; i < schedule.size(); ++i) {
      const std::uint32_t first = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
                                  ((e & f) ^ (~e & g)) + round_constants[i] + schedule[i];
      const std::uint32_t second =
          (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = d + first;
      d = c;
      c = b;
      b = a;
      a = first + second;
    }
    const std::array<std::uint32_t, 8> added{a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < state_.size(); ++i) state_[i] += added[i];
  }

  /// Of the cube roots of the first 64 primes, the first 32 bits behind the point.
  static constexpr std::array<std::uint32_t, 64> round_constants{
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
      0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
      0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
      0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
      0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
      0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
      0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
      0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
      0xc67178f2};

  /// Starts as those bits of the square roots of the first 8 primes.
  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, block_size> pending_{};  ///< The block that is not full yet.
  std::size_t n_pending_ = 0;
  std::uint64_t n_bytes_ = 0;
};

/// The SHA-256 of `bytes` as 64 lowercase hexadecimal digits.
[[nodiscard]] inline std::string sha256_hex(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  Sha256 hash;
  hash.update(bytes);
  std::string text;
  for (const std::byte byte : hash.digest()) {
    text += digits[std::to_integer<std::size_t>(byte >> 4)];
    text += digits[std::to_integer<std::size_t>(byte & std::byte{0x0f})];
  }
  return text;
}

}  // namespace freshet::iodetail
