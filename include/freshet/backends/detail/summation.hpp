#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Sums in NumPy's order of additions. Scores that tie in PyOD then tie here as well, and fall on
/// the same side of a threshold that is one of them.

namespace freshet::backendsdetail {

/// How many terms are summed side by side, and so how many are asked for at once.
inline constexpr std::size_t summation_lanes = 8;

/// The most terms that are summed without halving.
inline constexpr std::size_t largest_summation_block = 128;

/// Adds the terms `begin` … `begin + count - 1` in the order of `numpy.sum` over contiguous
/// values: one after the other when there are few, in eight interleaved sums up to 128, and in
/// halves above.
///
/// `fill(first, n, out)` writes the terms `first` … `first + n - 1` to `out`, `n` being at most
/// `summation_lanes`; every term is asked for once, in ascending order. No allocation.
template <class Fill>
[[nodiscard]] double numpy_sum(std::size_t begin, std::size_t count, const Fill& fill) noexcept {
  constexpr std::size_t lanes = summation_lanes;
  std::array<double, lanes> block;
  if (count > largest_summation_block) {
    const std::size_t half = count / 2 - count / 2 % lanes;
    const double first_half = numpy_sum(begin, half, fill);
    return first_half + numpy_sum(begin + half, count - half, fill);
  }
  double sum = 0.0;
  std::size_t done = 0;
  if (count >= lanes) {
    std::array<double, lanes> sums;
    fill(begin, lanes, sums.data());
    for (done = lanes; done + lanes <= count; done += lanes) {
      fill(begin + done, lanes, block.data());
      for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] += block[lane];
    }
    sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  }
  if (done < count) {
    fill(begin + done, count - done, block.data());
    for (std::size_t lane = 0; lane < count - done; ++lane) sum += block[lane];
  }
  return sum;
}

/// The same for many rows at once, column by column: `sums[i]`, zero at first, becomes the
/// `numpy_sum` of row i. `add_column(j, out)` adds column j's term of every row to `out`; every
/// column is asked for once, in ascending order.
template <class AddColumn>
void numpy_row_sums(std::size_t begin, std::size_t count, std::span<double> sums,
                    const AddColumn& add_column) {
  constexpr std::size_t lanes = summation_lanes;
  const std::size_t n = sums.size();
  if (count > largest_summation_block) {
    const std::size_t half = count / 2 - count / 2 % lanes;
    numpy_row_sums(begin, half, sums, add_column);
    std::vector<double> second_half(n);
    numpy_row_sums(begin + half, count - half, std::span<double>(second_half), add_column);
    for (std::size_t i = 0; i < n; ++i) sums[i] += second_half[i];
    return;
  }
  std::size_t done = 0;
  if (count >= lanes) {
    std::vector<double> parts(lanes * n);
    for (; done < count - count % lanes; ++done) {
      add_column(begin + done, std::span(parts).subspan(done % lanes * n, n));
    }
    const double* part = parts.data();
    for (std::size_t i = 0; i < n; ++i, ++part) {
      sums[i] = ((part[0] + part[n]) + (part[2 * n] + part[3 * n])) +
                ((part[4 * n] + part[5 * n]) + (part[6 * n] + part[7 * n]));
    }
  }
  for (; done < count; ++done) add_column(begin + done, sums);
}

/// `numpy.sum` of contiguous values.
[[nodiscard]] inline double numpy_sum(std::span<const double> values) noexcept {
  return numpy_sum(0, values.size(), [values](std::size_t first, std::size_t n, double* out) {
    std::copy_n(values.data() + first, n, out);
  });
}

}  // namespace freshet::backendsdetail
