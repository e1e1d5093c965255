#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "freshet/backends/bin_count.hpp"
#include "freshet/backends/detail/summation.hpp"
#include "freshet/core/error.hpp"

/// @file
/// Histograms of equal bins with the edges and counts of `numpy.histogram`, found in constant
/// time at scoring.

namespace freshet::backendsdetail {

/// Throws ConfigurationError unless `n_bins` is automatic or a sensible number.
inline void require_bins(BinCount n_bins) {
  constexpr std::size_t most_bins = 100'000;  // more are a mistake rather than a wish
  require_parameter(n_bins.is_automatic() || (n_bins.value() >= 2 && n_bins.value() <= most_bins),
                    "n_bins", "an integer from 2 to 100000, or automatic");
}

/// `n_bins + 1` edges of equal bins from `first` to `last`, in the arithmetic of `numpy.linspace`.
[[nodiscard]] inline std::vector<double> equal_edges(double first, double last,
                                                     std::size_t n_bins) {
  const double step = (last - first) / static_cast<double>(n_bins);
  std::vector<double> edges(n_bins + 1, last);
  for (std::size_t i = 0; i < n_bins; ++i) edges[i] = static_cast<double>(i) * step + first;
  return edges;
}

/// The edges of `n_bins` equal bins from the smallest to the largest of `values`, at least one.
///
/// Equal values get bins of width 1 in all around them, as in NumPy. So do values that differ by so
/// little more than their precision that neighbouring edges would coincide, where NumPy gives up:
/// a rolling mean over whole periods is such a constant, up to rounding. The width grows with
/// values too large to be told from their neighbours at distance 1.
[[nodiscard]] inline std::vector<double> bin_edges(std::span<const double> values,
                                                   std::size_t n_bins) {
  const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
  const double middle = *smallest + (*largest - *smallest) / 2.0;
  std::vector<double> edges;
  for (const double margin : {0.0, 0.5, 1e-9 * std::abs(middle)}) {
    edges = margin == 0.0 ? equal_edges(*smallest, *largest, n_bins)
                          : equal_edges(middle - margin, middle + margin, n_bins);
    const auto not_increasing = [](double a, double b) { return a >= b; };
    if (std::adjacent_find(edges.begin(), edges.end(), not_increasing) == edges.end()) break;
  }
  return edges;
}

/// The number of bins that the penalized likelihood of Birgé and Rozenholc (2006, ESAIM: P&S)
/// prefers, among 1 … √n - 1 as PyOD has it: there the penalty counts once per bin.
[[nodiscard]] inline std::size_t optimal_bins(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  const auto limit = std::max<std::size_t>(2, static_cast<std::size_t>(std::sqrt(n)));
  double best = -std::numeric_limits<double>::infinity();
  std::size_t best_bins = 1;
  for (std::size_t n_bins = 1; n_bins < limit; ++n_bins) {
    std::vector<double> terms = bin_edges(values, n_bins);
    const auto bins = static_cast<double>(n_bins);
    const double penalty = bins - 1.0 + std::pow(std::log(bins), 2.5);
    auto start = sorted.cbegin();
    for (std::size_t i = 0; i < n_bins; ++i) {
      const auto end =
          i + 1 == n_bins ? sorted.cend() : std::lower_bound(start, sorted.cend(), terms[i + 1]);
      const auto count = static_cast<double>(end - start);
      terms[i] = count * std::log(bins * count / n + 1.0) - penalty;
      start = end;
    }
    terms.pop_back();
    const double likelihood = numpy_sum(terms);
    if (likelihood > best) {
      best = likelihood;
      best_bins = n_bins;
    }
  }
  return best_bins;
}

/// The bins of several histograms, with one value attached to each bin by whoever uses them: bin
/// `b` of histogram `h` has the values at `begin(h) + b` of arrays of `n_bins()` entries.
class BinSet {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  /// The number of bins of all histograms.
  [[nodiscard]] std::size_t n_bins() const noexcept { return edges_.size() - entries_.size(); }
  [[nodiscard]] std::size_t n_bins(std::size_t h) const noexcept { return entries_[h].n_bins; }
  /// The bins of the histograms before `h`.
  [[nodiscard]] std::size_t begin(std::size_t h) const noexcept { return entries_[h].begin; }
  /// The `n_bins(h) + 1` ascending edges of histogram `h`.
  [[nodiscard]] std::span<const double> edges(std::size_t h) const noexcept {
    return {edges_of(h), entries_[h].n_bins + 1};
  }

  /// Adds the histogram of `values`, at least one, and returns the number of values in each of
  /// its bins.
  std::vector<double> add(std::span<const double> values, BinCount bin_count) {
    const std::size_t bins = bin_count.is_automatic() ? optimal_bins(values) : bin_count.value();
    const std::vector<double> edges = bin_edges(values, bins);
    const double width = edges.back() - edges.front();
    entries_.push_back({edges.front(), static_cast<double>(bins) / width, n_bins(), bins});
    edges_.insert(edges_.end(), edges.begin(), edges.end());
    std::vector<double> counts(bins);
    for (const double value : values) counts[bin_from(size() - 1, value)] += 1.0;
    return counts;
  }

  /// The bin whose lower edge is at most `x` and whose upper edge is above it, as
  /// `numpy.histogram` counts. The first or last bin for an `x` beyond the edges. O(1).
  [[nodiscard]] std::size_t bin_from(std::size_t h, double x) const noexcept {
    return find(h, x, [](double edge, double value) { return edge <= value; });
  }

  /// The bin whose lower edge is below `x` and whose upper edge is at least `x`, as
  /// `numpy.digitize(right=True)` finds it. The first or last bin for an `x` beyond. O(1).
  [[nodiscard]] std::size_t bin_up_to(std::size_t h, double x) const noexcept {
    return find(h, x, [](double edge, double value) { return edge < value; });
  }

  friend bool operator==(const BinSet&, const BinSet&) = default;

  /// Reads or writes the bins; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(entries_, edges_);
    std::size_t begin = 0;
    bool in_bounds = edges_.size() >= entries_.size();
    for (const Entry& entry : entries_) {
      in_bounds =
          in_bounds && entry.n_bins > 0 && entry.begin == begin && entry.n_bins <= n_bins() - begin;
      begin += in_bounds ? entry.n_bins : 0;
    }
    archive.require(in_bounds && begin == n_bins(), "histogram bins");
  }

 private:
  struct Entry {
    double first = 0.0;
    double bins_per_unit = 0.0;
    std::size_t begin = 0;  // of the bins; each earlier histogram has one more edge than bins
    std::size_t n_bins = 0;

    friend bool operator==(const Entry&, const Entry&) = default;

    template <class Archive>
    void serialize(Archive& archive) {
      archive(first, bins_per_unit, begin, n_bins);
    }
  };

  [[nodiscard]] const double* edges_of(std::size_t h) const noexcept {
    return edges_.data() + entries_[h].begin + h;
  }

  // The multiplication is off by one bin at most, near an edge; the edges themselves decide.
  template <class Reaches>
  [[nodiscard]] std::size_t find(std::size_t h, double x, const Reaches& reaches) const noexcept {
    const Entry& entry = entries_[h];
    const double* edges = edges_of(h);
    const std::size_t last = entry.n_bins - 1;
    const double guess = (x - entry.first) * entry.bins_per_unit;
    std::size_t bin = last;
    if (!(guess >= static_cast<double>(last))) {
      bin = guess > 0.0 ? static_cast<std::size_t>(static_cast<std::ptrdiff_t>(guess)) : 0;
    }
    while (bin > 0 && !reaches(edges[bin], x)) --bin;
    while (bin < last && reaches(edges[bin + 1], x)) ++bin;
    return bin;
  }

  std::vector<Entry> entries_;
  std::vector<double> edges_;  // of all histograms, one after the other
};

/// Finds the place of nearly every value among the bins of one histogram without a look at the
/// edges: from its position in units of bins, when that is not blurred across an edge.
class BinScale {
 public:
  /// What `find` says of values that only the edges can place.
  static constexpr std::size_t undecided = std::numeric_limits<std::size_t>::max();

  BinScale() = default;

  /// For bins with these edges and values whose own rounding error is at most `slack` times their
  /// `reach`.
  BinScale(std::span<const double> edges, double slack) noexcept
      : first_(edges.front()),
        bins_per_unit_(static_cast<double>(edges.size() - 1) / (edges.back() - edges.front())),
        blur_per_reach_(slack * bins_per_unit_),
        farthest_(static_cast<double>(edges.size()) + 0.5) {
    const double largest_edge = std::max(std::abs(edges.front()), std::abs(edges.back()));
    blur_ =
        8.0 * std::numeric_limits<double>::epsilon() * (farthest_ + largest_edge * bins_per_unit_);
  }

  /// 0 for an `x` below the bins, 1 … n in one of the n bins, n + 1 above them; or `undecided`.
  [[nodiscard]] std::size_t find(double x, double reach) const noexcept {
    const double exact = (x - first_) * bins_per_unit_ + 1.0;
    const double position = std::min(std::max(0.5, exact), farthest_);
    const auto place = static_cast<std::ptrdiff_t>(position);
    const double from_middle = std::abs(position - static_cast<double>(place) - 0.5);
    const bool is_decided = from_middle + blur_ + blur_per_reach_ * reach < 0.5;
    return is_decided ? static_cast<std::size_t>(place) : undecided;
  }

  friend bool operator==(const BinScale&, const BinScale&) = default;

 private:
  double first_ = 0.0;
  double bins_per_unit_ = 0.0;
  double blur_ = 0.0;
  double blur_per_reach_ = 0.0;
  double farthest_ = 0.0;
};

}  // namespace freshet::backendsdetail
