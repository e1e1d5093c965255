#include "freshet/io/detail/sha256.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "freshet/core/random.hpp"
#include "support/catch.hpp"

namespace {

using freshet::iodetail::Sha256;
using freshet::iodetail::sha256_hex;

std::string hash_of(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

std::vector<std::byte> random_bytes(std::size_t n_bytes) {
  freshet::RandomGenerator random(n_bytes);
  std::vector<std::byte> bytes(n_bytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.below(256));
  return bytes;
}

}  // namespace

TEST_CASE("SHA-256 of the published examples") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlm"
       "nopqrsmnopqrstnopqrstu",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
      {std::string(1'000'000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  }));
  CHECK(hash_of(text) == expected);
}

// The hash of the hashes of "", "a", "aa", ... up to 200 letters, joined: every length around the
// ends of three blocks. The reference is Python's hashlib.
TEST_CASE("SHA-256 of every length around the ends of blocks") {
  std::string joined;
  for (std::size_t n = 0; n <= 200; ++n) joined += hash_of(std::string(n, 'a'));
  CHECK(hash_of(joined) == "eb555248bd20c7831e511d4461b42c9b084e3a64b44d57b00051172f8afe03ff");
}

TEST_CASE("a message in pieces has the hash of the whole") {
  for (std::size_t n = 0; n <= 200; ++n) {
    const std::vector<std::byte> bytes = random_bytes(n);
    Sha256 whole;
    whole.update(bytes);
    for (std::size_t cut = 0; cut <= n; ++cut) {
      Sha256 pieces;
      pieces.update(std::span(bytes).first(cut));
      pieces.update(std::span(bytes).subspan(cut));
      REQUIRE(pieces.digest() == whole.digest());
    }
    Sha256 single;
    for (const std::byte& byte : bytes) single.update(std::span(&byte, 1));
    REQUIRE(single.digest() == whole.digest());
  }
}

TEST_CASE("a digest does not end the message") {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(std::string_view("ab"))));
  const Sha256::Digest early = hash.digest();
  CHECK(hash.digest() == early);
  hash.update(std::as_bytes(std::span(std::string_view("c"))));
  Sha256 whole;
  whole.update(std::as_bytes(std::span(std::string_view("abc"))));
  CHECK(hash.digest() == whole.digest());
  CHECK(hash.digest() != early);
}
