#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/core/error.hpp"
#include "freshet/io/archive.hpp"
#include "freshet/io/detail/strict_json.hpp"

/// @file
/// What the front of a safetensors file says about the bytes behind it, checked as far as it can
/// be without knowing the types of numbers.

namespace freshet::iodetail {

/// The largest header that the format allows, in bytes.
inline constexpr std::uint64_t max_safetensors_header = 100'000'000;
/// The key that stands for no tensor.
inline constexpr std::string_view safetensors_metadata_key = "__metadata__";

/// A tensor as the header describes it. Its bytes are `[begin, end)` of the data.
struct TensorEntry {
  std::string name;
  std::string dtype;
  std::vector<std::size_t> shape;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// A header and what it is about.
struct SafeTensorsHeader {
  std::vector<TensorEntry> tensors;  ///< In the order of their bytes, which they cover exactly.
  std::map<std::string, std::string> metadata;
  std::span<const std::byte> data;
};

/// The bytes that `shape` takes with items of `item_size` bytes; nothing when more than fit into a
/// std::size_t. Zeros do not count for that, so that no part of a product can overflow either.
[[nodiscard]] constexpr std::optional<std::size_t> tensor_bytes(std::span<const std::size_t> shape,
                                                                std::size_t item_size) noexcept {
  std::size_t size = item_size;
  bool is_empty = false;
  for (const std::size_t extent : shape) {
    if (extent == 0) {
      is_empty = true;
    } else if (size > std::numeric_limits<std::size_t>::max() / extent) {
      return std::nullopt;
    } else {
      size *= extent;
    }
  }
  return is_empty ? 0 : size;
}

/// An error about the tensor `name` of `file`.
[[nodiscard]] inline ModelFileError tensor_error(ErrorCode code, const std::string& file,
                                                 const std::string& name,
                                                 const std::string& problem,
                                                 const std::string& expected) {
  return {code, file + ": tensor " + in_quotes(name) + " " + problem + "; expected " + expected,
          name, expected};
}

/// Reads one tensor's member of the header.
class TensorEntryReader {
 public:
  TensorEntryReader(const std::string& file, const std::string& name,
                    const nlohmann::ordered_json& json)
      : file_(file), name_(name), json_(json) {}

  [[nodiscard]] TensorEntry read() const {
    require(json_.is_object() && json_.size() == 3, "is described by something else",
            "an object of dtype, shape and data_offsets");
    TensorEntry entry;
    entry.name = name_;
    const auto& dtype = field("dtype");
    require(dtype.is_string(), "has a dtype that is no text", "a dtype such as \"F32\"");
    entry.dtype = dtype.get<std::string>();
    entry.shape = integers("shape");
    const std::vector<std::size_t> offsets = integers("data_offsets");
    require(offsets.size() == 2 && offsets[0] <= offsets[1], "has data_offsets that are no range",
            "[begin, end] with begin <= end");
    entry.begin = offsets[0];
    entry.end = offsets[1];
    return entry;
  }

 private:
  void require(bool condition, const std::string& problem, const std::string& expected) const {
    if (condition) return;
    throw tensor_error(ErrorCode::file_corrupt, file_, name_, problem, expected);
  }
  [[nodiscard]] const nlohmann::ordered_json& field(const std::string& key) const {
    const auto found = json_.find(key);
    require(found != json_.end(), "has no " + key, "dtype, shape and data_offsets");
    return *found;
  }
  [[nodiscard]] std::vector<std::size_t> integers(const std::string& key) const {
    const auto& list = field(key);
    const std::string expected = "a list of integers of at least 0 that fit into memory";
    require(list.is_array(), "has a " + key + " that is no list", expected);
    std::vector<std::size_t> values;
    values.reserve(list.size());
    for (const auto& item : list) {
      require(item.is_number_unsigned() && std::in_range<std::size_t>(item.get<std::uint64_t>()),
              "has a " + key + " with something else in it", expected);
      values.push_back(item.get<std::size_t>());
    }
    return values;
  }

  const std::string& file_;
  const std::string& name_;
  const nlohmann::ordered_json& json_;
};

/// Sorts the entries by their bytes.
/// @throws ModelFileError unless they lie one behind the other and cover `n_bytes` exactly.
inline void require_exact_cover(std::vector<TensorEntry>& entries, std::size_t n_bytes,
                                const std::string& file) {
  std::sort(entries.begin(), entries.end(), [](const TensorEntry& left, const TensorEntry& right) {
    return std::pair(left.begin, left.end) < std::pair(right.begin, right.end);
  });
  std::size_t covered = 0;
  for (const TensorEntry& entry : entries) {
    // Not in one expression, in which GCC 12 sees an overflow that is none.
    std::string range = "[";
    range += std::to_string(entry.begin) + ", " + std::to_string(entry.end) + "]";
    if (entry.end > n_bytes) {
      throw tensor_error(
          ErrorCode::file_corrupt, file, entry.name, "has data_offsets " + range,
          "offsets of at most " + std::to_string(n_bytes) + ", the bytes behind the header");
    }
    if (entry.begin != covered) {
      throw tensor_error(ErrorCode::file_corrupt, file, entry.name,
                         "has data_offsets " + range +
                             (entry.begin < covered ? ", which overlap those of another"
                                                    : ", which leave a hole before them"),
                         "data that begins at " + std::to_string(covered));
    }
    covered = entry.end;
  }
  if (covered == n_bytes) return;
  throw ModelFileError(ErrorCode::file_corrupt,
                       file + " has " + std::to_string(n_bytes) +
                           " bytes behind its header, of which the tensors use " +
                           std::to_string(covered),
                       file, std::to_string(covered) + " bytes behind the header");
}

/// The text of the header: JSON and the spaces behind it.
[[nodiscard]] inline std::string_view safetensors_header_text(std::span<const std::byte> bytes,
                                                              const std::string& file) {
  const auto require = [&](bool condition, const std::string& problem,
                           const std::string& expected) {
    if (condition) return;
    throw ModelFileError(ErrorCode::file_corrupt, file + " " + problem + "; expected " + expected,
                         file, expected);
  };
  std::array<std::byte, sizeof(std::uint64_t)> raw{};
  require(bytes.size() >= raw.size(), "ends after " + std::to_string(bytes.size()) + " bytes",
          "8 bytes with the size of the header");
  std::memcpy(raw.data(), bytes.data(), raw.size());
  to_little_endian<std::uint64_t>(raw);
  const auto size = std::bit_cast<std::uint64_t>(raw);
  const std::uint64_t limit =
      std::min<std::uint64_t>(max_safetensors_header, bytes.size() - raw.size());
  require(size <= limit, "says that its header has " + std::to_string(size) + " bytes",
          "at most " + std::to_string(limit));
  const std::string_view text = as_text(bytes.subspan(raw.size(), static_cast<std::size_t>(size)));
  const std::size_t last = text.find_last_not_of(' ');
  require(last != std::string_view::npos && text.front() == '{' && text[last] == '}',
          "has a header that is no JSON object", "a header from { to }, then spaces only");
  return text;
}

/// Reads the header at the front of `bytes`, on which the result's data is a view.
/// @throws ModelFileError (file_corrupt) naming `file` and the tensor.
[[nodiscard]] inline SafeTensorsHeader read_safetensors_header(std::span<const std::byte> bytes,
                                                               const std::string& file) {
  const std::string_view text = safetensors_header_text(bytes, file);
  // The header, a tensor, its shape: nothing in the format is deeper.
  const nlohmann::ordered_json json =
      parse_strict_json(text, "the header of " + file, file, /*max_depth=*/3);
  SafeTensorsHeader header;
  header.data = bytes.subspan(sizeof(std::uint64_t) + text.size());
  for (const auto& [name, value] : json.items()) {
    if (name != safetensors_metadata_key) {
      header.tensors.push_back(TensorEntryReader(file, name, value).read());
      continue;
    }
    const bool is_map =
        value.is_object() &&
        std::all_of(value.begin(), value.end(), [](const auto& v) { return v.is_string(); });
    if (!is_map) {
      throw ModelFileError(ErrorCode::file_corrupt,
                           file + ": __metadata__ must be an object whose values are texts", file,
                           "__metadata__ from names to texts");
    }
    for (const auto& [key, text_value] : value.items()) {
      header.metadata.emplace(key, text_value.template get<std::string>());
    }
  }
  require_exact_cover(header.tensors, header.data.size(), file);
  return header;
}

}  // namespace freshet::iodetail
