#include "freshet/io/archive.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace {

enum class Colour : std::uint8_t { red, green };

struct Everything {
  bool flag = true;
  int small = -3;
  std::size_t size = std::numeric_limits<std::size_t>::max();
  double number = 0.1;
  Colour colour = Colour::green;
  std::string text = std::string("a\0b", 3);
  std::vector<double> numbers{1.5, -0.0, std::numeric_limits<double>::infinity()};
  std::vector<std::size_t> sizes{1, 2, 3};
  std::vector<std::string> texts{"", "x"};
  std::optional<double> absent;
  std::optional<double> present = 2.5;

  friend bool operator==(const Everything&, const Everything&) = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(flag, small, size, number, colour, text, numbers, sizes, texts, absent, present);
  }
};

}  // namespace

TEST_CASE("what is written is read back") {
  const Everything original;
  freshet::ArchiveWriter writer;
  writer(original);
  Everything copy{false, 0, 0, 0.0, Colour::red, "", {}, {}, {}, 1.0, {}};
  freshet::ArchiveReader reader(writer.bytes());
  reader(copy);
  CHECK(copy == original);
  CHECK(reader.remaining() == 0);
}

TEST_CASE("every truncation is an error") {
  freshet::ArchiveWriter writer;
  writer(Everything{});
  for (std::size_t n = 0; n < writer.bytes().size(); ++n) {
    Everything copy;
    freshet::ArchiveReader reader(std::span(writer.bytes()).first(n));
    CHECK_THROWS_AS(reader(copy), freshet::SnapshotError);
  }
}

TEST_CASE("a count larger than what is left takes no memory") {
  freshet::ArchiveWriter writer;
  writer(std::size_t{1} << 60U);
  std::vector<double> numbers;
  CHECK_THROWS_AS(freshet::ArchiveReader(writer.bytes())(numbers), freshet::SnapshotError);
  std::vector<std::string> texts;
  CHECK_THROWS_AS(freshet::ArchiveReader(writer.bytes())(texts), freshet::SnapshotError);
}

TEST_CASE("numbers are little-endian of fixed width") {
  freshet::ArchiveWriter writer;
  writer(std::uint32_t{0x01020304}, std::size_t{5}, true);
  const std::vector<unsigned> expected{4, 3, 2, 1, 5, 0, 0, 0, 0, 0, 0, 0, 1};
  std::vector<unsigned> bytes;
  for (const std::byte byte : writer.bytes()) bytes.push_back(std::to_integer<unsigned>(byte));
  CHECK(bytes == expected);
}
