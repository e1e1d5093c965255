// Bytes as the manifest.json of a verified directory.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "freshet/io/detail/manifest.hpp"
#include "require.hpp"

namespace {

using freshet::fuzz::require;
using freshet::iodetail::Manifest;

constexpr std::array<std::string_view, 2> expected_files{"config.json", "weights.safetensors"};

Manifest parse(std::span<const std::byte> bytes) {
  return freshet::iodetail::parse_manifest(bytes, "manifest.json", "freshet-model", 1,
                                           expected_files);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Manifest manifest;
  try {
    manifest = parse(std::as_bytes(std::span(data, size)));
  } catch (const freshet::ModelFileError& error) {
    require(error.code() == freshet::ErrorCode::file_corrupt ||
                error.code() == freshet::ErrorCode::file_missing ||
                error.code() == freshet::ErrorCode::file_version,
            "the code of an error");
    return 0;
  }
  require(manifest.files.size() == expected_files.size(), "exactly the expected files");
  for (const std::string_view name : expected_files) {
    const auto& record = manifest.files.at(std::string(name));
    require(record.n_bytes <= freshet::iodetail::max_verified_file_bytes, "the limit of a file");
    require(record.sha256.size() == 64, "the size of a hash");
  }
  const std::string text = manifest.document.dump(2);
  require(parse(std::as_bytes(std::span(text))) == manifest,
          "what was read writes back and reads the same");
  return 0;
}
