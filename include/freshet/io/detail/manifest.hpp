#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/core/error.hpp"
#include "freshet/io/detail/sha256.hpp"
#include "freshet/io/detail/strict_json.hpp"

/// @file
/// The manifest of a verified directory as bytes, without a file system.

namespace freshet::iodetail {

inline constexpr std::uint64_t max_manifest_bytes = std::uint64_t{16} << 20U;
inline constexpr std::uint64_t max_verified_file_bytes = std::uint64_t{1} << 30U;
/// How many objects and lists of a manifest may be inside each other.
inline constexpr std::size_t max_manifest_depth = 32;

/// What a manifest says about a file.
struct FileRecord {
  std::uint64_t n_bytes = 0;
  std::string sha256;  ///< 64 lowercase hexadecimal digits.

  bool operator==(const FileRecord&) const = default;
};

/// A manifest and its member `files`, checked.
struct Manifest {
  nlohmann::ordered_json document;
  std::map<std::string, FileRecord> files;

  bool operator==(const Manifest&) const = default;
};

/// The record of a file with these bytes, as JSON.
[[nodiscard]] inline nlohmann::ordered_json file_record_json(std::span<const std::byte> bytes) {
  nlohmann::ordered_json record = nlohmann::ordered_json::object();
  record["bytes"] = bytes.size();
  record["sha256"] = sha256_hex(bytes);
  return record;
}

/// Checks a manifest against what a reader expects.
class ManifestReader {
 public:
  /// @param path how errors call the manifest.
  ManifestReader(std::string path, std::string_view format, int format_version,
                 std::span<const std::string_view> expected_files)
      : path_(std::move(path)),
        format_(format),
        version_(format_version),
        expected_files_(expected_files) {}

  /// @throws ModelFileError: file_version for another version, file_missing for an expected file
  /// that it does not name, file_corrupt for all else that is wrong.
  [[nodiscard]] Manifest read(std::span<const std::byte> bytes) const {
    require(bytes.size() <= max_manifest_bytes, "size", "it is too large",
            "at most " + std::to_string(max_manifest_bytes) + " bytes");
    Manifest manifest;
    manifest.document = parse_strict_json(as_text(bytes), path_, path_, max_manifest_depth);
    const auto& document = manifest.document;
    require(document.is_object(), path_, "it is no object", "a JSON object");
    require_format(document);
    const auto& files = member(document, "files", "files");
    require(files.is_object(), "files", "files is no object", "an object of file names");
    for (const auto& [name, record] : files.items()) {
      require(
          std::find(expected_files_.begin(), expected_files_.end(), name) != expected_files_.end(),
          name, "files names " + in_quotes(name), "only " + expected_names());
      manifest.files.emplace(name, read_record(name, record));
    }
    for (const std::string_view name : expected_files_) {
      if (files.contains(std::string(name))) continue;
      throw error(ErrorCode::file_missing, std::string(name),
                  "files does not name " + in_quotes(name), expected_names());
    }
    return manifest;
  }

 private:
  using Json = nlohmann::ordered_json;

  [[nodiscard]] ModelFileError error(ErrorCode code, const std::string& field,
                                     const std::string& problem,
                                     const std::string& expected) const {
    return {code, path_ + ": " + problem + "; expected " + expected, field, expected};
  }
  void require(bool condition, const std::string& field, const std::string& problem,
               const std::string& expected) const {
    if (!condition) throw error(ErrorCode::file_corrupt, field, problem, expected);
  }
  [[nodiscard]] const Json& member(const Json& object, const std::string& key,
                                   const std::string& field) const {
    const auto found = object.find(key);
    require(found != object.end(), field, field + " is missing", "a member " + key);
    return *found;
  }

  void require_format(const Json& document) const {
    const Json& format = member(document, "format", "format");
    require(format.is_string() && format.get_ref<const std::string&>() == format_, "format",
            "format is " + (format.is_string() ? in_quotes(format.get_ref<const std::string&>())
                                               : std::string("no text")),
            in_quotes(format_));
    const Json& found = member(document, "format_version", "format_version");
    require(found.is_number_integer(), "format_version", "format_version is no integer",
            std::to_string(version_));
    const bool same = found.is_number_unsigned()
                          ? std::cmp_equal(found.get<std::uint64_t>(), version_)
                          : std::cmp_equal(found.get<std::int64_t>(), version_);
    if (same) return;
    throw error(ErrorCode::file_version, "format_version",
                "format_version is " + found.dump() + ", which this freshet does not read",
                std::to_string(version_));
  }

  [[nodiscard]] FileRecord read_record(const std::string& name, const Json& json) const {
    const std::string subject = "the record of " + in_quotes(name);
    require(json.is_object() && json.size() == 2, name, subject + " is something else",
            "an object of bytes and sha256");
    const Json& n_bytes = member(json, "bytes", subject + ": bytes");
    require(n_bytes.is_number_unsigned() && n_bytes.get<std::uint64_t>() <= max_verified_file_bytes,
            name, subject + " has no valid size",
            "bytes from 0 to " + std::to_string(max_verified_file_bytes));
    const Json& hash = member(json, "sha256", subject + ": sha256");
    const bool is_hash = hash.is_string() &&
                         hash.get_ref<const std::string&>().size() == 2 * Sha256::Digest{}.size() &&
                         hash.get_ref<const std::string&>().find_first_not_of("0123456789abcdef") ==
                             std::string::npos;
    require(is_hash, name, subject + " has no valid hash",
            "sha256 of 64 lowercase hexadecimal digits");
    return {.n_bytes = n_bytes.get<std::uint64_t>(), .sha256 = hash.get<std::string>()};
  }

  [[nodiscard]] std::string expected_names() const {
    std::string names;
    for (const std::string_view name : expected_files_) {
      if (!names.empty()) names += ", ";
      names += in_quotes(name);
    }
    return names.empty() ? "no files" : names;
  }

  std::string path_;
  std::string_view format_;
  int version_;
  std::span<const std::string_view> expected_files_;
};

/// The manifest in `bytes`. Memory is proportional to `bytes`, whatever they say.
[[nodiscard]] inline Manifest parse_manifest(std::span<const std::byte> bytes,
                                             const std::string& path, std::string_view format,
                                             int format_version,
                                             std::span<const std::string_view> expected_files) {
  return ManifestReader(path, format, format_version, expected_files).read(bytes);
}

}  // namespace freshet::iodetail
