#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/result.hpp"

/// @file
/// Many named streams, used from many threads.

namespace freshet {

/// One detector per stream, made when its first row comes. Every function may be called from any
/// thread. Rows of different streams never wait for each other; rows of one stream are processed
/// one after another, in the order in which their callers get hold of it.
/// @tparam Detector StreamingDetector or AnyDetector.
template <class Detector>
class DetectorPool {
 public:
  /// @param make makes the detector of a new stream; called without a lock, from any thread.
  explicit DetectorPool(std::function<Detector()> make) : make_(std::move(make)) {}

  /// Scores and keeps a row of `stream_id`; see StreamingDetector::process. A stream whose first
  /// row is refused is not made.
  Result process(std::string_view stream_id, RowView row,
                 std::optional<double> timestamp = std::nullopt) {
    return with(stream_id, [&](Detector& detector) { return detector.process(row, timestamp); });
  }

  /// Calls `use` with the detector of `stream_id`, made if there is none, while no other thread
  /// uses it. A new stream is kept only if `use` returns. `use` must not call the pool again.
  template <class Use>
  auto with(std::string_view stream_id, Use&& use) {
    for (;;) {
      const std::shared_ptr<Stream> stream = find(stream_id);
      if (stream == nullptr) {
        auto fresh = std::make_shared<Stream>(make_());
        const std::lock_guard lock(fresh->mutex);
        if (!insert(stream_id, fresh)) continue;  // another thread was first
        try {
          return use(fresh->detector);
        } catch (...) {
          fresh->removed = true;
          erase(stream_id, fresh.get());
          throw;
        }
      }
      const std::lock_guard lock(stream->mutex);
      if (stream->removed) continue;  // while this thread waited for it
      return use(stream->detector);
    }
  }

  /// As `with`, but never waits for another thread to be done with the stream.
  /// @return whether `use` was called: not when there is no such stream, or it is in use.
  template <class Use>
  bool try_with(std::string_view stream_id, Use&& use) const {
    const std::shared_ptr<Stream> stream = find(stream_id);
    if (stream == nullptr) return false;
    const std::unique_lock lock(stream->mutex, std::try_to_lock);
    if (!lock.owns_lock() || stream->removed) return false;
    use(stream->detector);
    return true;
  }

  /// As `with`, for a stream that must exist.
  /// @throws UnknownStreamError when it does not.
  template <class Use>
  auto with_existing(std::string_view stream_id, Use&& use) const {
    if (const std::shared_ptr<Stream> stream = find(stream_id)) {
      const std::lock_guard lock(stream->mutex);
      if (!stream->removed) return use(stream->detector);
    }
    throw UnknownStreamError(ErrorCode::stream_unknown,
                             "there is no stream \"" + std::string(stream_id) + "\"", "stream_id",
                             "the id of a stream that has had a row");
  }

  /// As `with_existing`, but with a detector that is made for this call only when there is no such
  /// stream: to ask what would become of its first row.
  template <class Use>
  auto with_existing_or_fresh(std::string_view stream_id, Use&& use) const {
    if (const std::shared_ptr<Stream> stream = find(stream_id)) {
      const std::lock_guard lock(stream->mutex);
      if (!stream->removed) return use(stream->detector);
    }
    Detector fresh = make_();
    return use(fresh);
  }

  /// Makes `detector` the stream `stream_id`. @return false when there is one already.
  bool add(std::string_view stream_id, Detector detector) {
    return insert(stream_id, std::make_shared<Stream>(std::move(detector)));
  }

  /// Puts `detector` in place as `stream_id`, for example one that was restored.
  void insert_or_assign(std::string_view stream_id, Detector detector) {
    for (;;) {
      if (const std::shared_ptr<Stream> stream = find(stream_id)) {
        const std::lock_guard lock(stream->mutex);
        if (stream->removed) continue;
        stream->detector = std::move(detector);
        return;
      }
      // Copied, because another thread may be first and the detector be needed again.
      if (insert(stream_id, std::make_shared<Stream>(detector))) return;
    }
  }

  /// Forgets a stream. @return whether there was one.
  bool remove(std::string_view stream_id) {
    const std::shared_ptr<Stream> stream = find(stream_id);
    if (stream == nullptr) return false;
    const std::lock_guard lock(stream->mutex);
    if (stream->removed) return false;
    stream->removed = true;
    erase(stream_id, stream.get());
    return true;
  }

  /// Whether there is a stream of this name. Any thread, any time.
  [[nodiscard]] bool contains(std::string_view stream_id) const {
    return find(stream_id) != nullptr;
  }

  /// The number of streams. Any thread, any time.
  [[nodiscard]] std::size_t size() const {
    std::size_t size = 0;
    for (const Shard& shard : shards_) {
      const std::shared_lock lock(shard.mutex);
      size += shard.streams.size();
    }
    return size;
  }

  /// The ids of all streams, in no particular order.
  [[nodiscard]] std::vector<std::string> stream_ids() const {
    std::vector<std::string> ids;
    for (const Shard& shard : shards_) {
      const std::shared_lock lock(shard.mutex);
      for (const auto& [id, stream] : shard.streams) ids.push_back(id);
    }
    return ids;
  }

 private:
  struct Stream {
    explicit Stream(Detector to_own) : detector(std::move(to_own)) {}

    std::mutex mutex;
    Detector detector;
    bool removed = false;
  };

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  // A few maps instead of one, so that threads which make streams seldom meet.
  struct Shard {
    mutable std::shared_mutex mutex;
    std::unordered_map<std::string, std::shared_ptr<Stream>, Hash, std::equal_to<>> streams;
  };

  static constexpr std::size_t n_shards = 16;

  [[nodiscard]] static std::size_t shard_of(std::string_view stream_id) noexcept {
    return Hash{}(stream_id) % n_shards;
  }

  [[nodiscard]] std::shared_ptr<Stream> find(std::string_view stream_id) const {
    const Shard& shard = shards_[shard_of(stream_id)];
    const std::shared_lock lock(shard.mutex);
    const auto found = shard.streams.find(stream_id);
    return found == shard.streams.end() ? nullptr : found->second;
  }

  bool insert(std::string_view stream_id, const std::shared_ptr<Stream>& stream) {
    Shard& shard = shards_[shard_of(stream_id)];
    const std::lock_guard lock(shard.mutex);
    return shard.streams.try_emplace(std::string(stream_id), stream).second;
  }

  void erase(std::string_view stream_id, const Stream* stream) {
    Shard& shard = shards_[shard_of(stream_id)];
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.streams.find(stream_id);
    if (found != shard.streams.end() && found->second.get() == stream) shard.streams.erase(found);
  }

  std::function<Detector()> make_;
  std::array<Shard, n_shards> shards_;
};

}  // namespace freshet
