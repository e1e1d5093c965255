#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "freshet/backends/detail/whitening.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/random.hpp"

/// @file
/// The search for the rows whose covariance has the smallest determinant (FastMCD).

namespace freshet::backendsdetail {

/// Row numbers, ascending.
using Members = std::vector<std::uint32_t>;

/// Where some rows are and how they scatter.
struct Scatter {
  Members members;
  Matrix covariance;  // divided by the number of rows
  Whitening whitening;

  /// Whether its determinant is smaller; one of fewer dimensions is smaller than all others.
  [[nodiscard]] bool operator<(const Scatter& other) const noexcept {
    if (whitening.rank() != other.whitening.rank()) {
      return whitening.rank() < other.whitening.rank();
    }
    return whitening.log_determinant() < other.whitening.log_determinant();
  }
};

/// The scatter of `members` about their mean, or about zero. O(members · n² + n³).
[[nodiscard]] inline Scatter scatter_of(MatrixView rows, Members members, bool about_zero = false) {
  const std::size_t n = rows.n_columns();
  const auto n_members = static_cast<double>(members.size());
  std::vector<double> location(n);
  if (!about_zero) {
    for (const std::uint32_t i : members) {
      for (std::size_t j = 0; j < n; ++j) location[j] += rows(i, j) / n_members;
    }
  }
  Matrix covariance(n, n);
  std::vector<double> deviation(n);
  for (const std::uint32_t i : members) {
    for (std::size_t j = 0; j < n; ++j) deviation[j] = rows(i, j) - location[j];
    for (std::size_t j = 0; j < n; ++j) {
      const std::span<double> sums = covariance.row(j);
      for (std::size_t k = 0; k <= j; ++k) sums[k] += deviation[j] * deviation[k];
    }
  }
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k <= j; ++k) {
      covariance(j, k) /= n_members;
      covariance(k, j) = covariance(j, k);
    }
  }
  Whitening whitening(std::move(location), covariance);
  return {std::move(members), std::move(covariance), std::move(whitening)};
}

/// Rousseeuw and Van Driessen's search. What the paper leaves to choose is as it recommends.
class FastMcd {
 public:
  FastMcd(MatrixView rows, std::uint64_t seed) : rows_(rows), random_(seed) {}

  /// The scatter of the `n_support` of the rows that scatter least, as far as the search finds it.
  [[nodiscard]] Scatter search(std::size_t n_support) {
    Members all(rows_.n_rows());
    std::iota(all.begin(), all.end(), 0U);
    Scatter of_all = scatter_of(rows_, all);
    if (n_support >= all.size()) return of_all;
    if (rows_.n_columns() == 1) return shortest_half(all, n_support);
    const auto share_of = [&](std::size_t n_rows) {
      return (n_rows * n_support + all.size() - 1) / all.size();
    };
    rank_ = of_all.whitening.rank();
    // Beginnings cost more, and help less, the more columns there are.
    const std::size_t n_trials = std::clamp<std::size_t>(2500 / rows_.n_columns(), 30, 500);
    std::vector<Scatter> best;
    if (all.size() < 2 * n_group_rows) {
      best = begin(all, n_support, n_trials);
    } else {
      // Many beginnings are cheap in groups; what is best there is tried on all groups together.
      random_.shuffle(std::span(all));
      const std::size_t n_groups = std::min(all.size() / n_group_rows, max_groups);
      const std::size_t group_size = std::min(all.size() / n_groups, n_group_rows);
      std::vector<Scatter> of_groups;
      Members pooled;
      for (std::size_t g = 0; g < n_groups; ++g) {
        const auto first = all.begin() + static_cast<std::ptrdiff_t>(g * group_size);
        Members group(first, first + static_cast<std::ptrdiff_t>(group_size));
        std::ranges::sort(group);
        for (Scatter& one : begin(group, share_of(group_size), n_trials / n_groups)) {
          of_groups.push_back(std::move(one));
        }
        pooled.insert(pooled.end(), group.begin(), group.end());
      }
      std::ranges::sort(all);
      std::ranges::sort(pooled);
      for (const Scatter& one : of_groups) {
        keep(best, concentrate(one, pooled, share_of(pooled.size()), first_steps));
      }
    }
    Scatter found = concentrate(best.front(), all, n_support, max_steps);
    for (std::size_t i = 1; i < best.size(); ++i) {
      Scatter other = concentrate(best[i], all, n_support, max_steps);
      if (other < found) found = std::move(other);
    }
    return found;
  }

 private:
  static constexpr std::size_t n_kept = 10;
  static constexpr std::size_t n_group_rows = 300;
  static constexpr std::size_t max_groups = 5;
  static constexpr std::size_t first_steps = 2;
  static constexpr std::size_t max_steps = 30;

  // The best of many random beginnings, each concentrated a little.
  [[nodiscard]] std::vector<Scatter> begin(const Members& members, std::size_t n_support,
                                           std::size_t n_beginnings) {
    std::vector<Scatter> best;
    Members drawn = members;
    for (std::size_t trial = 0; trial < n_beginnings; ++trial) {
      keep(best, concentrate(random_scatter(drawn, n_support), members, n_support, first_steps));
    }
    return best;
  }

  // Of as few rows as it takes to scatter in all directions, for these are the likeliest to have no
  // outlier among them. Rearranges `drawn`.
  [[nodiscard]] Scatter random_scatter(Members& drawn, std::size_t n_support) {
    std::size_t n_drawn = 0;
    for (std::size_t size = rows_.n_columns() + 1;; size *= 2) {
      size = std::min(size, n_support);
      for (; n_drawn < size; ++n_drawn) {
        std::swap(drawn[n_drawn], drawn[n_drawn + random_.below(drawn.size() - n_drawn)]);
      }
      const auto end = drawn.begin() + static_cast<std::ptrdiff_t>(n_drawn);
      Scatter scatter = scatter_of(rows_, Members(drawn.begin(), end));
      if (scatter.whitening.rank() >= rank_ || size == n_support) return scatter;
    }
  }

  // C-steps: the nearest rows scatter less than those from which nearness was measured.
  [[nodiscard]] Scatter concentrate(const Scatter& from, const Members& members,
                                    std::size_t n_support, std::size_t n_steps) {
    Scatter found = scatter_of(rows_, nearest(from.whitening, members, n_support));
    for (std::size_t step = 1; step < n_steps; ++step) {
      Scatter next = scatter_of(rows_, nearest(found.whitening, members, n_support));
      if (!(next < found)) break;
      found = std::move(next);
    }
    return found;
  }

  [[nodiscard]] Members nearest(const Whitening& whitening, const Members& members,
                                std::size_t n_support) {
    distances_.clear();
    for (const std::uint32_t i : members) {
      distances_.emplace_back(whitening.squared_distance(rows_.row(i)), i);
    }
    ordered_ = distances_;
    const auto last = ordered_.begin() + static_cast<std::ptrdiff_t>(n_support - 1);
    std::ranges::nth_element(ordered_, last);
    Members result;
    result.reserve(n_support);
    for (const auto& one : distances_) {
      if (one <= *last) result.push_back(one.second);  // in their order, on every platform
    }
    return result;
  }

  static void keep(std::vector<Scatter>& best, Scatter scatter) {
    const auto place = std::ranges::lower_bound(best, scatter, std::less<>{});
    if (place != best.end() && !(scatter < *place)) return;  // found already
    if (best.size() == n_kept) {
      if (place == best.end()) return;
      best.insert(place, std::move(scatter));
      best.pop_back();
    } else {
      best.insert(place, std::move(scatter));
    }
  }

  // Of one column the answer is exact: the mean of the middles of the shortest intervals, and the
  // rows that are nearest to it.
  [[nodiscard]] Scatter shortest_half(const Members& all, std::size_t n_support) {
    std::vector<double> sorted;
    for (const std::uint32_t i : all) sorted.push_back(rows_(i, 0));
    std::ranges::sort(sorted);
    const std::size_t n_intervals = sorted.size() - n_support;
    const auto length = [&](std::size_t i) { return sorted[i + n_support] - sorted[i]; };
    double shortest = length(0);
    for (std::size_t i = 1; i < n_intervals; ++i) shortest = std::min(shortest, length(i));
    double sum = 0.0;
    double count = 0.0;
    for (std::size_t i = 0; i < n_intervals; ++i) {
      if (length(i) != shortest) continue;
      sum += 0.5 * (sorted[i + n_support] + sorted[i]);
      count += 1.0;
    }
    std::vector<double> middle{sum / count};
    Matrix unit(1, 1);
    unit(0, 0) = 1.0;
    Scatter found = scatter_of(rows_, nearest(Whitening(middle, unit), all, n_support));
    found.whitening = Whitening(std::move(middle), found.covariance);
    return found;
  }

  MatrixView rows_;
  RandomGenerator random_;
  std::size_t rank_ = 0;  // of the scatter of all rows
  std::vector<std::pair<double, std::uint32_t>> distances_;
  std::vector<std::pair<double, std::uint32_t>> ordered_;
};

}  // namespace freshet::backendsdetail
