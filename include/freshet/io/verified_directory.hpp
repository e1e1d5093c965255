#pragma once

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <nlohmann/json.hpp>

#include "freshet/core/error.hpp"
#include "freshet/io/detail/atomic_directory.hpp"
#include "freshet/io/detail/manifest.hpp"
#include "freshet/io/detail/posix_file.hpp"
#include "freshet/io/detail/sha256.hpp"
#include "freshet/io/detail/strict_json.hpp"

/// @file
/// A directory of files under one `manifest.json` that holds their sizes and hashes: written as a
/// whole, and verified when read. Needs a POSIX system.

namespace freshet {

/// The bytes of files by their names.
using FileContents = std::map<std::string, std::vector<std::byte>>;

/// What a verified directory holds.
struct VerifiedDirectory {
  nlohmann::ordered_json manifest;  ///< Its members in their order, `files` among them.
  /// The other files, by name, verified.
  FileContents files;
};

namespace iodetail {

/// @throws ModelFileError unless `name` means a file of the directory itself, and no other.
inline void require_plain_name(const std::filesystem::path& directory, const std::string& name) {
  const bool is_plain = !name.empty() && name != "." && name != ".." && name != manifest_name &&
                        name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (is_plain) return;
  throw unwritable(directory, "a file cannot be named " + in_quotes(name),
                   "plain names other than " + std::string(manifest_name));
}

/// The text of `manifest`, which a reader is sure to accept.
[[nodiscard]] inline std::string manifest_text(const std::filesystem::path& directory,
                                               const nlohmann::ordered_json& manifest) {
  std::string text;
  try {
    text = manifest.dump(2) + "\n";
    (void)parse_strict_json(text, "the manifest", "manifest", max_manifest_depth);
  } catch (const nlohmann::json::exception&) {
    throw unwritable(directory, "the manifest is no UTF-8", "texts in UTF-8");
  } catch (const ModelFileError& error) {
    throw unwritable(directory, error.what(), error.expected());
  }
  if (text.size() <= max_manifest_bytes) return text;
  throw unwritable(directory, "the manifest is too large",
                   "at most " + std::to_string(max_manifest_bytes) + " bytes");
}

/// Reads and verifies the files of an open directory.
[[nodiscard]] inline VerifiedDirectory read_verified_files(
    const FileDescriptor& opened, const std::filesystem::path& directory, std::string_view format,
    int format_version, std::span<const std::string_view> expected_files) {
  const std::string manifest_file(manifest_name);
  Manifest manifest =
      parse_manifest(read_regular_file({opened, directory, manifest_file}, max_manifest_bytes),
                     (directory / manifest_file).string(), format, format_version, expected_files);
  VerifiedDirectory result;
  result.manifest = std::move(manifest.document);
  for (const auto& [name, record] : manifest.files) {
    const FileInDirectory file{opened, directory, name};
    std::vector<std::byte> bytes = read_regular_file(file, max_verified_file_bytes, record.n_bytes);
    const std::string hash = sha256_hex(bytes);
    if (hash != record.sha256) {
      throw file.error(ErrorCode::file_hash, "has the SHA-256 " + hash,
                       record.sha256 + " as " + manifest_file + " says");
    }
    result.files.emplace(name, std::move(bytes));
  }
  return result;
}

}  // namespace iodetail

/// Writes `directory` with a `manifest.json` and `files`, as a whole: at every moment, also after a
/// power failure, there is either what was there before or all of the new. What is replaced may be
/// a directory that holds a `manifest.json` (it is removed with all that is in it) or an empty one.
/// @param manifest an object; its member `files`, from names to sizes and hashes, is set here.
/// @param files by plain names other than `manifest.json`; at most 1 GiB each.
/// @throws ModelFileError (file_unwritable) naming the path and the reason. Then `directory` is as
/// it was, and nothing else is left behind; only when the new directory is in place and the old
/// one cannot be removed (it holds what the system protects) the error says just that.
inline void write_verified_directory(const std::filesystem::path& directory,
                                     nlohmann::ordered_json manifest, const FileContents& files) {
  if (!manifest.is_object()) {
    throw iodetail::unwritable(directory, "the manifest is no JSON object", "a JSON object");
  }
  nlohmann::ordered_json records = nlohmann::ordered_json::object();
  std::map<std::string, std::span<const std::byte>> contents;
  for (const auto& [name, bytes] : files) {
    iodetail::require_plain_name(directory, name);
    if (bytes.size() > iodetail::max_verified_file_bytes) {
      throw iodetail::unwritable(directory / name, "it is too large", "at most 1 GiB");
    }
    records[name] = iodetail::file_record_json(bytes);
    contents.emplace(name, bytes);
  }
  manifest["files"] = std::move(records);
  const std::string text = iodetail::manifest_text(directory, manifest);
  contents.emplace(iodetail::manifest_name, std::as_bytes(std::span(text)));
  iodetail::write_directory_atomically(directory, contents);
}

/// Reads a directory that write_verified_directory() wrote, and verifies all of it. May be called
/// while another process replaces the directory: the files are those of one writer.
/// @param format what the manifest's `format` must be; @param format_version and its
/// `format_version`.
/// @param expected_files the plain names of exactly the files that belong to it. Only these are
/// opened, whatever the manifest says, and only regular files: no links, pipes or devices.
/// @throws ModelFileError naming what is wrong: file_missing, file_version, file_hash (with both
/// hashes) or file_corrupt.
[[nodiscard]] inline VerifiedDirectory read_verified_directory(
    const std::filesystem::path& directory, std::string_view format, int format_version,
    std::span<const std::string_view> expected_files) {
  constexpr int max_attempts = 100;
  for (int attempt = 1;; ++attempt) {
    const iodetail::FileDescriptor opened(iodetail::uninterrupted(
        [&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!opened.is_open()) {
      throw ModelFileError(
          ErrorCode::file_missing,
          "cannot open the directory " + directory.string() + ": " + iodetail::system_reason(errno),
          directory.string(), "a directory with a manifest.json");
    }
    try {
      return iodetail::read_verified_files(opened, directory, format, format_version,
                                           expected_files);
    } catch (const ModelFileError&) {
      // Whoever replaces a directory removes the old one, perhaps while we are reading it.
      if (attempt == max_attempts || !iodetail::was_replaced(opened, directory)) throw;
    }
  }
}

}  // namespace freshet
