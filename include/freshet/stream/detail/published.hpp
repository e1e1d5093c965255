#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

/// @file
/// One value, replaced by one thread and read by many, without locks on either side.

namespace freshet::streamdetail {

/// A shared pointer that one writer replaces while any number of readers copy it.
///
/// `std::atomic<std::shared_ptr>` takes a lock in today's standard libraries. Here the pointer
/// lives in one of a few slots; a single atomic word holds the current slot and how many readers
/// have entered it. A reader enters with one `fetch_add`, copies the pointer and leaves with
/// another; the writer reuses a slot once as many readers have left it as entered (split reference
/// counting). If readers are still inside every other slot, `store` gives up and the writer tries
/// again later: nobody ever waits.
template <class T>
class Published {
 public:
  using Pointer = std::shared_ptr<const T>;

  Published() = default;
  Published(const Published& other) noexcept { store_now(other.load()); }
  Published& operator=(const Published& other) noexcept {
    if (this != &other) store_now(other.load());
    return *this;
  }
  ~Published() = default;

  /// The current value. Any thread; wait-free.
  [[nodiscard]] Pointer load() const noexcept {
    const std::uint64_t entered = word_.fetch_add(1, std::memory_order_acquire);
    Slot& slot = slots_[entered >> counter_bits];
    Pointer value = slot.value;
    slot.left.fetch_add(1, std::memory_order_release);
    return value;
  }

  /// Replaces the value. One thread at a time; O(1).
  /// @return false when readers were inside every free slot; nothing has changed then.
  [[nodiscard]] bool store(Pointer value) noexcept {
    const std::uint64_t current = word_.load(std::memory_order_relaxed) >> counter_bits;
    for (std::uint64_t next = 0; next < n_slots; ++next) {
      if (next == current || !empty(slots_[next])) continue;
      slots_[next].value = std::move(value);
      slots_[next].left.store(0, std::memory_order_relaxed);
      const std::uint64_t old = word_.exchange(next << counter_bits, std::memory_order_acq_rel);
      slots_[current].entered = old & counter_mask;
      // Frees old values here and now, but for those that a reader is just copying.
      for (std::uint64_t old_slot = 0; old_slot < n_slots; ++old_slot) {
        if (old_slot != next && empty(slots_[old_slot])) slots_[old_slot].value.reset();
      }
      return true;
    }
    return false;
  }

  /// As `store`, but tries again until it succeeds: a reader is inside a slot for as long as it
  /// takes to copy a pointer.
  void store_now(const Pointer& value) noexcept {
    while (!store(value)) std::this_thread::yield();
  }

 private:
  static constexpr std::uint64_t n_slots = 4;
  static constexpr unsigned counter_bits = 56;
  static constexpr std::uint64_t counter_mask = (std::uint64_t{1} << counter_bits) - 1;

  struct alignas(64) Slot {
    Pointer value;
    std::uint64_t entered = 0;  ///< Readers that came while the slot was current; the writer's.
    std::atomic<std::uint64_t> left{0};
  };

  static bool empty(const Slot& slot) noexcept {
    return slot.left.load(std::memory_order_acquire) == slot.entered;
  }

  mutable std::array<Slot, n_slots> slots_;
  mutable std::atomic<std::uint64_t> word_{0};
};

}  // namespace freshet::streamdetail
