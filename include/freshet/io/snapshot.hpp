#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/executor.hpp"
#include "freshet/io/archive.hpp"
#include "freshet/version.hpp"

/// @file
/// Bytes from which a detector goes on exactly where it stopped.

namespace freshet {

/// The layout of the bytes; a library reads snapshots of its own layout only.
inline constexpr std::uint32_t snapshot_format = 2;

namespace iodetail {

inline constexpr std::array<char, 8> snapshot_magic{'f', 'r', 'e', 's', 'h', 'e', 't', '\n'};

/// What stands before the state.
struct SnapshotHeader {
  std::array<char, 8> magic = snapshot_magic;
  std::uint32_t format = snapshot_format;
  std::uint64_t size = 0;      ///< Bytes of state that follow.
  std::uint64_t checksum = 0;  ///< Of those bytes.

  static constexpr std::size_t n_bytes = 8 + 4 + 8 + 8;

  template <class Archive>
  void serialize(Archive& archive) {
    archive.values(std::span<char>(magic));
    archive(format, size, checksum);
  }
};

/// A 64-bit checksum. Every step is a bijection of the sum so far, so that a change within any
/// one 8-byte word always shows.
[[nodiscard]] inline std::uint64_t checksum(std::span<const std::byte> bytes) noexcept {
  constexpr std::uint64_t odd_constant = 0x9fb21c651e98df25ULL;
  std::uint64_t sum = odd_constant ^ bytes.size();
  while (!bytes.empty()) {
    const std::size_t n = std::min<std::size_t>(bytes.size(), sizeof(std::uint64_t));
    std::array<std::byte, sizeof(std::uint64_t)> word{};
    std::memcpy(word.data(), bytes.data(), n);
    to_little_endian<std::uint64_t>(word);
    sum = std::rotl(sum ^ std::bit_cast<std::uint64_t>(word), 29) * odd_constant;
    sum ^= sum >> 32U;
    bytes = bytes.subspan(n);
  }
  return sum;
}

/// The state inside a snapshot, after all that can be checked from outside has been.
[[nodiscard]] inline std::span<const std::byte> open_snapshot(std::span<const std::byte> bytes) {
  SnapshotHeader header;
  ArchiveReader reader(bytes);
  if (bytes.size() < SnapshotHeader::n_bytes) {
    throw SnapshotError(ErrorCode::snapshot_truncated,
                        "the snapshot is truncated: " + std::to_string(bytes.size()) +
                            " bytes are too few even for its header",
                        "size", "at least " + std::to_string(SnapshotHeader::n_bytes) + " bytes");
  }
  reader(header);
  if (header.magic != snapshot_magic) {
    throw SnapshotError(ErrorCode::snapshot_corrupt, "these bytes are not a freshet snapshot",
                        "magic", "bytes made by snapshot()");
  }
  if (header.format != snapshot_format) {
    throw SnapshotError(ErrorCode::snapshot_version,
                        "the snapshot has format " + std::to_string(header.format) + ", freshet " +
                            std::string(version) + " reads format " +
                            std::to_string(snapshot_format),
                        "format", std::to_string(snapshot_format));
  }
  const auto state = bytes.subspan(SnapshotHeader::n_bytes);
  if (state.size() != header.size) {
    throw SnapshotError(
        state.size() < header.size ? ErrorCode::snapshot_truncated : ErrorCode::snapshot_corrupt,
        "the snapshot has " + std::to_string(state.size()) + " bytes of state where " +
            std::to_string(header.size) + " belong",
        "size", std::to_string(header.size) + " bytes");
  }
  if (checksum(state) != header.checksum) {
    throw SnapshotError(ErrorCode::snapshot_corrupt,
                        "the snapshot is damaged: its checksum does not match", "checksum",
                        "unchanged bytes");
  }
  return state;
}

}  // namespace iodetail

/// The whole state of `detector`, including a training that is running, as bytes. Not while
/// another thread changes the detector. O(size of the window and the model).
/// @tparam Detector StreamingDetector of a backend that can be serialized, AnyDetector, or
/// TrainedModel: a model alone.
template <class Detector>
[[nodiscard]] std::vector<std::byte> snapshot(Detector& detector) {
  if constexpr (requires { detector.adopt(); }) {
    detector.adopt();  // a training that has ended is part of the state as its model
  }
  ArchiveWriter state;
  state(Detector::snapshot_kind(), detector);
  iodetail::SnapshotHeader header;
  header.size = state.bytes().size();
  header.checksum = iodetail::checksum(state.bytes());
  ArchiveWriter whole;
  whole(header);
  whole.values(std::span(state.bytes()));
  return std::move(whole).take();
}

/// A detector that goes on as the one did of which `bytes` are a snapshot: every later result is
/// the same to the bit. A training that was running is begun again on `executor`; one that waited
/// for the host waits for it again.
/// @throws SnapshotError when the bytes are truncated, damaged, of another format or of another
/// type of detector.
template <class Detector>
[[nodiscard]] Detector restore(std::span<const std::byte> bytes,
                               std::shared_ptr<Executor> executor = nullptr) {
  ArchiveReader reader(iodetail::open_snapshot(bytes));
  try {
    std::string kind;
    reader(kind);
    if (kind != Detector::snapshot_kind()) {
      throw SnapshotError(
          ErrorCode::snapshot_mismatch,
          "the snapshot is of kind \"" + kind + "\", not \"" + Detector::snapshot_kind() + "\"",
          "kind", Detector::snapshot_kind());
    }
    Detector detector = Detector::read(reader, std::move(executor));
    reader.require(reader.remaining() == 0, "end");
    return detector;
  } catch (const ConfigurationError& error) {
    throw SnapshotError(ErrorCode::snapshot_corrupt,
                        std::string("the snapshot is damaged: ") + error.what(), error.field(),
                        error.expected());
  } catch (const std::bad_alloc&) {
    throw SnapshotError(ErrorCode::snapshot_corrupt,
                        "the snapshot asks for more memory than there is", "size",
                        "sizes that fit into memory");
  } catch (const std::length_error&) {
    throw SnapshotError(ErrorCode::snapshot_corrupt,
                        "the snapshot asks for more memory than there is", "size",
                        "sizes that fit into memory");
  }
}

}  // namespace freshet
