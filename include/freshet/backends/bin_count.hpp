#pragma once

#include <cstddef>

/// @file
/// How many bins a histogram has.

namespace freshet {

/// A number of bins, or "as many as the data asks for".
class BinCount {
 public:
  /// So many bins.
  // NOLINTNEXTLINE(google-explicit-constructor): so that `Hbos{.n_bins = 20}` can be written.
  constexpr BinCount(std::size_t n_bins) noexcept : n_bins_(n_bins) {}

  /// The number is chosen for each column by the penalised likelihood of Birgé and Rozenholc
  /// (2006), as PyOD's "auto" does.
  [[nodiscard]] static constexpr BinCount automatic() noexcept { return {0}; }

  /// Whether training chooses the number.
  [[nodiscard]] constexpr bool is_automatic() const noexcept { return n_bins_ == 0; }
  /// The number; only when not `is_automatic()`.
  [[nodiscard]] constexpr std::size_t value() const noexcept { return n_bins_; }

  friend constexpr bool operator==(BinCount, BinCount) = default;

  /// Reads or writes the number; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(n_bins_);
  }

 private:
  std::size_t n_bins_;
};

}  // namespace freshet
