// Bytes as a safetensors file, and as the header of one whose size is right: text up to the first
// line feed, the data behind it. So that seeds can be text, and few inputs end at the size.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "freshet/io/safetensors.hpp"
#include "require.hpp"

namespace {

using freshet::fuzz::require;

void check(std::span<const std::byte> bytes) {
  freshet::SafeTensors content;
  try {
    content = freshet::read_safetensors(bytes);
  } catch (const freshet::ModelFileError& error) {
    require(error.code() == freshet::ErrorCode::file_corrupt ||
                error.code() == freshet::ErrorCode::file_mismatch,
            "the code of an error");
    return;
  }
  std::size_t n_bytes = 0;
  for (const freshet::Tensor& tensor : content.tensors) {
    require(content.find(tensor.name) == &tensor, "names are there once");
    require(tensor.values<double>().size() == tensor.element_count(), "the number of values");
    n_bytes += tensor.data.size();
  }
  require(n_bytes <= bytes.size(), "tensors are no larger than the file");
  const std::vector<std::byte> written = freshet::write_safetensors(content);
  const freshet::SafeTensors again = freshet::read_safetensors(written);
  require(again == content, "what was read writes back and reads the same");
  require(freshet::write_safetensors(again) == written, "equal contents give equal bytes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  check(bytes);
  const auto line_feed = std::find(bytes.begin(), bytes.end(), std::byte{'\n'});
  const std::uint64_t header_size = static_cast<std::uint64_t>(line_feed - bytes.begin());
  std::vector<std::byte> file(sizeof header_size);
  std::memcpy(file.data(), &header_size, sizeof header_size);
  file.insert(file.end(), bytes.begin(), line_feed);
  if (line_feed != bytes.end()) file.insert(file.end(), line_feed + 1, bytes.end());
  check(file);
  return 0;
}
