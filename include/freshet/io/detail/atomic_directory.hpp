#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>

#include "freshet/core/error.hpp"
#include "freshet/io/detail/posix_file.hpp"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/// @file
/// A directory that appears with all of its files, or not at all.

namespace freshet::iodetail {

/// The file by which a directory is known as one that may be replaced.
inline constexpr std::string_view manifest_name = "manifest.json";

/// A new, empty directory of a name that was free. Removed with all that is in it at the end,
/// unless it has been moved away.
class TemporaryDirectory {
 public:
  /// @param parent where; an existing directory.
  explicit TemporaryDirectory(const std::filesystem::path& parent) {
    // mkdir() itself decides whether a name is free, so that writers do not meet in one directory.
    constexpr int max_leftovers = 10'000;
    for (int i = 0; i < max_leftovers; ++i) {
      path_ = parent / (".freshet-partial-" + std::to_string(i));
      std::error_code failure;
      if (std::filesystem::create_directory(path_, failure)) return;
      // Something else of that name: create_directory() calls only a directory no failure.
      if (failure && failure != std::errc::file_exists) throw unwritable(parent, failure.message());
    }
    throw unwritable(parent, "it is full of what interrupted writers have left",
                     "no directories named .freshet-partial-*");
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    if (path_.empty()) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// It has been moved away: its name is no longer ours.
  void release() noexcept { path_.clear(); }

 private:
  std::filesystem::path path_;
};

/// Renames; false, with errno, when that fails. Unlike that of the standard library it may not
/// throw, so that it can undo.
[[nodiscard]] inline bool move_path(const std::filesystem::path& from,
                                    const std::filesystem::path& to) noexcept {
  return std::rename(from.c_str(), to.c_str()) == 0;
}

/// Exchanges two directories by renaming one after the other: between two of the renames there is
/// nothing at `right`. For systems that cannot exchange. When it fails both are as they were.
[[nodiscard]] inline bool exchange_stepwise(const std::filesystem::path& left,
                                            const std::filesystem::path& right) {
  TemporaryDirectory aside(right.parent_path());
  if (!move_path(right, aside.path())) return false;  // onto the empty directory
  int reason = 0;
  if (!move_path(left, right)) {
    reason = errno;
  } else if (!move_path(aside.path(), left)) {
    reason = errno;
    (void)move_path(right, left);
  }
  // Where this fails, what is aside is all that is left of it and must not be removed.
  if (reason != 0) (void)move_path(aside.path(), right);
  aside.release();
  errno = reason;
  return reason == 0;
}

/// Exchanges two directories, where the system can in one step. When it fails both are as they
/// were, and errno says why.
[[nodiscard]] inline bool exchange_paths(const std::filesystem::path& left,
                                         const std::filesystem::path& right) {
#if defined(__linux__) && defined(SYS_renameat2)
  // By number, because the C library has its function only since 2018.
  constexpr unsigned exchange_flag = 2;
  if (::syscall(SYS_renameat2, AT_FDCWD, left.c_str(), AT_FDCWD, right.c_str(), exchange_flag) ==
      0) {
    return true;
  }
  // Old kernels, some file systems, and sandboxes that know only older calls.
  if (errno != ENOSYS && errno != EINVAL && errno != EPERM) return false;
#endif
  return exchange_stepwise(left, right);
}

/// What stands where a directory shall be written.
enum class Occupant : unsigned char { nothing, replaceable };

/// @throws ModelFileError (file_unwritable) when what stands at `target` must not be replaced.
[[nodiscard]] inline Occupant inspect_target(const std::filesystem::path& target) {
  namespace fs = std::filesystem;
  const std::string expected = "a free name, or a directory with a " + std::string(manifest_name);
  std::error_code failure;
  const fs::file_status status = fs::symlink_status(target, failure);
  if (status.type() == fs::file_type::not_found) return Occupant::nothing;
  if (failure) throw unwritable(target, failure.message(), expected);
  if (status.type() != fs::file_type::directory) {
    throw unwritable(target, "it exists and is no directory", expected);
  }
  const bool is_known = fs::is_regular_file(fs::symlink_status(target / manifest_name, failure));
  if (is_known) return Occupant::replaceable;
  const bool is_empty = fs::is_empty(target, failure);
  if (failure) throw unwritable(target, failure.message(), expected);
  // rename() replaces an empty directory as if there were none.
  if (is_empty) return Occupant::nothing;
  throw unwritable(target, "the directory holds files but no " + std::string(manifest_name),
                   expected);
}

/// Puts what is at `fresh` at `target`, and what was there (if anything) at `fresh`.
inline void put_in_place(const std::filesystem::path& fresh, const std::filesystem::path& target,
                         Occupant occupant) {
  const auto swap = [&](const std::filesystem::path& from, const std::filesystem::path& to) {
    return occupant == Occupant::nothing ? move_path(from, to) : exchange_paths(from, to);
  };
  if (!swap(fresh, target)) throw unwritable(target, system_reason(errno));
  try {
    sync_directory(target.parent_path());
  } catch (const ModelFileError&) {
    if (occupant == Occupant::nothing) {
      (void)swap(target, fresh);
    } else {
      (void)swap(fresh, target);
    }
    throw;
  }
}

/// Writes the directory `target` with `files` in it, so that at every moment, also when the machine
/// stops, there is either what was there before or all of the new.
/// @throws ModelFileError (file_unwritable) naming the path and the system's reason.
inline void write_directory_atomically(
    const std::filesystem::path& target,
    const std::map<std::string, std::span<const std::byte>>& files) {
  std::filesystem::path place = target;
  if (!place.has_filename()) place = place.parent_path();  // a separator at the end
  if (!place.has_filename()) throw unwritable(target, "that is no directory's name", "a name");
  if (!place.has_parent_path()) place = std::filesystem::path(".") / place;
  const Occupant occupant = inspect_target(place);
  TemporaryDirectory fresh(place.parent_path());
  for (const auto& [name, bytes] : files) write_new_file(fresh.path() / name, bytes);
  sync_directory(fresh.path());
  put_in_place(fresh.path(), place, occupant);
  if (occupant == Occupant::nothing) {
    fresh.release();
    return;
  }
  std::error_code failure;
  std::filesystem::remove_all(fresh.path(), failure);
  if (failure) {
    throw ModelFileError(ErrorCode::file_unwritable,
                         place.string() + " was replaced, but what was there before cannot be " +
                             "removed: " + failure.message(),
                         place.string(), "files that may be removed");
  }
}

}  // namespace freshet::iodetail
