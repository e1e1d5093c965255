#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"

/// @file
/// Values to bytes and back. A type takes part by one member function for both directions:
///
/// @code
/// template <class Archive> void serialize(Archive& archive) {
///   archive(first_, second_);
///   archive.require(first_ <= second_, "order");  // checked when reading
/// }
/// @endcode
///
/// Numbers are little-endian and of fixed width, so that bytes mean the same on every machine.

namespace freshet {

/// What `serialize` functions of either direction can write and read.
template <class T>
concept ArchiveNumber = std::is_arithmetic_v<T> || std::is_enum_v<T>;

namespace iodetail {

/// The bytes of a number as they stand in an archive: `std::size_t` takes 8 whatever the machine.
template <ArchiveNumber T>
using Stored = std::conditional_t<std::same_as<T, std::size_t>, std::uint64_t, T>;

/// Whether an array of `T` in memory is its own archive.
template <ArchiveNumber T>
inline constexpr bool stored_as_is = std::endian::native == std::endian::little &&
                                     sizeof(Stored<T>) == sizeof(T) && !std::same_as<T, bool>;

template <class T>
void to_little_endian(std::span<std::byte, sizeof(T)> bytes) noexcept {
  if constexpr (std::endian::native == std::endian::big) {
    std::reverse(bytes.begin(), bytes.end());
  }
}

}  // namespace iodetail

/// Writes values to bytes.
class ArchiveWriter {
 public:
  /// Whether `serialize` is to fill in what it visits.
  static constexpr bool is_reading = false;

  /// Appends the values, in order.
  template <class... Values>
  void operator()(const Values&... values) {
    (write(values), ...);
  }

  /// Appends plain values without their number.
  template <class T>
    requires ArchiveNumber<std::remove_const_t<T>>
  void values(std::span<T> items) {
    if constexpr (iodetail::stored_as_is<std::remove_const_t<T>>) {
      append(std::as_bytes(items));
    } else {
      for (const T& item : items) write(item);
    }
  }

  /// Invariants are checked when reading only.
  void require(bool /*condition*/, std::string_view /*what*/) noexcept {}
  /// Nothing to check when writing.
  void require_available(std::size_t /*n_items*/, std::size_t /*item_size*/) noexcept {}

  /// What was written, moved out.
  [[nodiscard]] std::vector<std::byte> take() && { return std::move(bytes_); }

  /// What was written so far.
  [[nodiscard]] const std::vector<std::byte>& bytes() const noexcept { return bytes_; }

 private:
  template <class T>
  void write(const T& value) {
    if constexpr (ArchiveNumber<T>) {
      auto raw = std::bit_cast<std::array<std::byte, sizeof(iodetail::Stored<T>)>>(
          static_cast<iodetail::Stored<T>>(value));
      iodetail::to_little_endian<iodetail::Stored<T>>(raw);
      append(raw);
    } else {
      // One function serves both directions, so it is not const; when writing, it changes nothing.
      const_cast<T&>(value).serialize(*this);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    }
  }
  void write(const std::string& text) {
    write(text.size());
    values(std::span(text));
  }
  template <class T>
  void write(const std::vector<T>& items) {
    write(items.size());
    if constexpr (ArchiveNumber<T>) {
      values(std::span(items));
    } else {
      for (const T& item : items) write(item);
    }
  }
  template <class T>
  void write(const std::optional<T>& item) {
    write(item.has_value());
    if (item) write(*item);
  }

  void append(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    const std::size_t size = bytes_.size();
    // Grown ahead of `resize`, which need not grow geometrically.
    if (bytes_.capacity() - size < bytes.size()) bytes_.reserve(2 * size + bytes.size());
    bytes_.resize(size + bytes.size());
    std::memcpy(bytes_.data() + size, bytes.data(), bytes.size());
  }

  std::vector<std::byte> bytes_;
};

/// Reads values back from bytes. Whatever the bytes hold, reading ends in values or in a
/// SnapshotError: the sizes of lists are compared with what is left before memory is taken.
class ArchiveReader {
 public:
  /// Whether `serialize` is to fill in what it visits.
  static constexpr bool is_reading = true;

  /// Reads bytes that have to outlive it.
  explicit ArchiveReader(std::span<const std::byte> bytes) noexcept : rest_(bytes) {}

  /// Reads the values, in order.
  template <class... Values>
  void operator()(Values&... values) {
    (read(values), ...);
  }

  /// Reads plain values whose number is known.
  template <ArchiveNumber T>
  void values(std::span<T> items) {
    if constexpr (iodetail::stored_as_is<T>) {
      const auto bytes = take(items.size_bytes());
      if (!bytes.empty()) std::memcpy(items.data(), bytes.data(), bytes.size());
    } else {
      for (T& item : items) read(item);
    }
  }

  /// Throws SnapshotError naming `what` unless `condition` holds.
  void require(bool condition, std::string_view what) const {
    if (condition) return;
    throw SnapshotError(ErrorCode::snapshot_corrupt,
                        "the snapshot is damaged: inconsistent " + std::string(what),
                        std::string(what), "a consistent " + std::string(what));
  }

  /// Throws SnapshotError unless `n_items` of `item_size` bytes are left.
  void require_available(std::size_t n_items, std::size_t item_size) const {
    if (item_size == 0 || n_items <= rest_.size() / item_size) return;
    throw SnapshotError(ErrorCode::snapshot_truncated, "the snapshot ends too early", "size",
                        "at least " + std::to_string(n_items) + " more items");
  }

  /// Bytes not read yet.
  [[nodiscard]] std::size_t remaining() const noexcept { return rest_.size(); }

 private:
  std::span<const std::byte> take(std::size_t n_bytes) {
    require_available(n_bytes, 1);
    const auto taken = rest_.first(n_bytes);
    rest_ = rest_.subspan(n_bytes);
    return taken;
  }
  template <class T>
  void read(T& value) {
    if constexpr (std::same_as<T, bool>) {
      std::uint8_t byte = 0;
      read(byte);
      require(byte <= 1, "flag");
      value = byte == 1;
    } else if constexpr (ArchiveNumber<T>) {
      std::array<std::byte, sizeof(iodetail::Stored<T>)> raw;
      std::memcpy(raw.data(), take(raw.size()).data(), raw.size());
      iodetail::to_little_endian<iodetail::Stored<T>>(raw);
      value = static_cast<T>(std::bit_cast<iodetail::Stored<T>>(raw));
    } else {
      value.serialize(*this);
    }
  }
  void read(std::string& text) {
    text.resize(read_count(1));
    values(std::span(text));
  }
  template <class T>
  void read(std::vector<T>& items) {
    if constexpr (ArchiveNumber<T>) {
      items.resize(read_count(sizeof(iodetail::Stored<T>)));
      values(std::span(items));
    } else {
      items.clear();
      items.resize(read_count(1));
      for (T& item : items) read(item);
    }
  }
  template <class T>
  void read(std::optional<T>& item) {
    bool present = false;
    read(present);
    item.reset();
    if (present) read(item.emplace());
  }
  std::size_t read_count(std::size_t item_size) {
    std::size_t count = 0;
    read(count);
    require_available(count, item_size);
    return count;
  }

  std::span<const std::byte> rest_;
};

}  // namespace freshet
