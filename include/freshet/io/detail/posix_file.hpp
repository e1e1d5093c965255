#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "freshet/core/error.hpp"

/// @file
/// Files as POSIX has them: only its calls can read without following links and write through to
/// the disk.

namespace freshet::iodetail {

/// The system's words for an errno.
[[nodiscard]] inline std::string system_reason(int error) {
  return std::generic_category().message(error);
}

/// The error that `path` cannot be written.
[[nodiscard]] inline ModelFileError unwritable(const std::filesystem::path& path,
                                               const std::string& reason,
                                               const std::string& expected = "a writable place") {
  return {ErrorCode::file_unwritable, "cannot write " + path.string() + ": " + reason,
          path.string(), expected};
}

/// Calls `function` until no signal interrupts it.
template <class Function>
auto uninterrupted(Function function) {
  auto result = function();
  while (result < 0 && errno == EINTR) result = function();
  return result;
}

/// Owns an open file.
class FileDescriptor {
 public:
  /// @param number what open() gave; negative for none.
  explicit FileDescriptor(int number) noexcept : number_(number) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { (void)close(); }

  [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
  [[nodiscard]] int number() const noexcept { return number_; }

  /// Whether no write was found to have failed. Not repeated when interrupted: on Linux the number
  /// is free by then, and may be another thread's.
  bool close() noexcept {
    const bool closed = !is_open() || ::close(number_) == 0 || errno == EINTR;
    number_ = -1;
    return closed;
  }

 private:
  int number_;
};

/// Flushes an open file or directory to the disk; false, with errno, when that fails. A file
/// system that cannot flush its directories is no failure.
[[nodiscard]] inline bool flush(const FileDescriptor& file) noexcept {
  return uninterrupted([&] { return ::fsync(file.number()); }) == 0 || errno == EINVAL ||
         errno == ENOTSUP;
}

/// Flushes the entries of a directory to the disk.
inline void sync_directory(const std::filesystem::path& path) {
  const FileDescriptor directory(
      uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!directory.is_open() && errno == EACCES) return;  // may be written into, but not listed
  if (!directory.is_open() || !flush(directory)) throw unwritable(path, system_reason(errno));
}

/// Writes a file that must not be there yet, through to the disk.
inline void write_new_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  constexpr ::mode_t all_that_umask_leaves = 0666;
  FileDescriptor file(uninterrupted([&] {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, all_that_umask_leaves);
  }));
  if (!file.is_open()) throw unwritable(path, system_reason(errno));
  while (!bytes.empty()) {
    const auto written =
        uninterrupted([&] { return ::write(file.number(), bytes.data(), bytes.size()); });
    if (written < 0) throw unwritable(path, system_reason(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  if (!flush(file) || !file.close()) throw unwritable(path, system_reason(errno));
}

/// Whether `opened` is no longer what stands at `path`.
[[nodiscard]] inline bool was_replaced(const FileDescriptor& opened,
                                       const std::filesystem::path& path) noexcept {
  struct ::stat mine{};
  struct ::stat present{};
  return ::fstat(opened.number(), &mine) == 0 && ::stat(path.c_str(), &present) == 0 &&
         (mine.st_ino != present.st_ino || mine.st_dev != present.st_dev);
}

/// A file inside a directory that is open. Reading through the directory, not its path, gives
/// files that belong together even while a writer puts another directory in its place.
struct FileInDirectory {
  const FileDescriptor& directory;
  const std::filesystem::path& directory_path;  ///< For errors.
  const std::string& name;                      ///< A plain name.

  [[nodiscard]] std::string path() const { return (directory_path / name).string(); }
  /// An error about this file.
  [[nodiscard]] ModelFileError error(ErrorCode code, const std::string& problem,
                                     const std::string& expected) const {
    return {code, path() + " " + problem + "; expected " + expected, name, expected};
  }
};

/// Reads a whole file.
/// @param max_bytes refused when it is larger; @param n_bytes refused when it has another size.
/// @throws ModelFileError: file_missing when it cannot be opened; file_corrupt when its size is
/// wrong, or when it is no regular file (a link, a pipe, ...), for reading those could block or
/// lead elsewhere. Sizes are checked before memory is taken.
[[nodiscard]] inline std::vector<std::byte> read_regular_file(
    const FileInDirectory& place, std::uint64_t max_bytes,
    std::optional<std::uint64_t> n_bytes = std::nullopt) {
  const FileDescriptor file(uninterrupted([&] {
    return ::openat(place.directory.number(), place.name.c_str(),
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  }));
  const int reason = errno;
  struct ::stat status{};
  const bool is_known = file.is_open() && ::fstat(file.number(), &status) == 0;
  // A link and a socket cannot even be opened that way.
  const bool is_special = is_known ? !S_ISREG(status.st_mode) : reason == ELOOP || reason == ENXIO;
  if (is_special) {
    throw place.error(ErrorCode::file_corrupt, "is a link, a directory or a device",
                      "a regular file");
  }
  if (!is_known) {
    throw place.error(ErrorCode::file_missing, "cannot be opened: " + system_reason(reason),
                      "a readable file");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (n_bytes && size != *n_bytes) {
    throw place.error(ErrorCode::file_corrupt, "has " + std::to_string(size) + " bytes",
                      std::to_string(*n_bytes) + " bytes");
  }
  if (size > max_bytes) {
    throw place.error(ErrorCode::file_corrupt, "has " + std::to_string(size) + " bytes",
                      "at most " + std::to_string(max_bytes) + " bytes");
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  std::span<std::byte> rest(bytes);
  while (!rest.empty()) {
    const auto n_read =
        uninterrupted([&] { return ::read(file.number(), rest.data(), rest.size()); });
    if (n_read <= 0) {
      throw place.error(ErrorCode::file_corrupt,
                        n_read < 0 ? "cannot be read: " + system_reason(errno) : "became shorter",
                        std::to_string(size) + " bytes");
    }
    rest = rest.subspan(static_cast<std::size_t>(n_read));
  }
  return bytes;
}

}  // namespace freshet::iodetail
