#pragma once

#include <cstddef>

/// @file
/// What the LSTM's kernels are given, the same for every instruction set, and how their weights
/// lie.
///
/// Units are grouped into panels of `panel_units`, one cache line of each gate. For every input a
/// panel's weights lie side by side: those of the input gates of its units, then of the forget
/// gates, the candidates and the output gates. Sums of gates lie likewise. Units that fill up the
/// last panel have no weights and stay exactly 0.

namespace freshet::nn::detail {

using Index = std::ptrdiff_t;

inline constexpr Index cache_line = 64;

/// Units per panel.
template <class T>
inline constexpr Index panel_units = cache_line / static_cast<Index>(sizeof(T));

/// Sums of gates per panel.
template <class T>
inline constexpr Index panel_width = 4 * panel_units<T>;

/// How many panels `n_units` fill.
template <class T>
[[nodiscard]] constexpr Index panels_of(Index n_units) noexcept {
  return (n_units + panel_units<T> - 1) / panel_units<T>;
}

/// `n_values` rounded up to whole cache lines.
template <class T>
[[nodiscard]] constexpr Index padded(Index n_values) noexcept {
  return panels_of<T>(n_values) * panel_units<T>;
}

/// C = start + A·B. B and C are row-major and have whole cache lines per row; A has any strides.
template <class T>
struct Product {
  Index n_rows = 0;     ///< Of A and C.
  Index n_columns = 0;  ///< Of B and C, whole registers.
  Index depth = 0;      ///< Columns of A, rows of B.
  const T* a = nullptr;
  Index a_row_stride = 0;
  Index a_column_stride = 0;
  const T* b = nullptr;
  Index b_stride = 0;
  const T* start = nullptr;  ///< Null for zeros; may be `c`.
  Index start_stride = 0;    ///< 0 starts every row alike.
  T* c = nullptr;
  Index c_stride = 0;
};

/// A layer's way through time from states of zero. Where nothing is kept for training, `cells`
/// holds one step and `gates` is room for one panel of all streams.
template <class T>
struct Recurrence {
  Index n_steps = 0;
  Index n_streams = 0;
  Index hidden_size = 0;
  Index n_panels = 0;
  const T* sums = nullptr;     ///< steps × streams × width: biases and what the inputs add.
  Index sums_step_stride = 0;  ///< 0 when the input is the same at every step.
  const T* weights = nullptr;  ///< panels × hidden_size × panel_width, recurrent.
  T* hidden = nullptr;         ///< Out: steps × streams × padded units.
  T* cells = nullptr;
  T* gates = nullptr;
  T* squashed_cells = nullptr;  ///< tanh of the cells; kept for training only.
};

/// The same way back.
template <class T>
struct RecurrenceGradient {
  Index n_steps = 0;
  Index n_streams = 0;
  Index n_panels = 0;
  const T* transposed_weights = nullptr;  ///< width × padded units.
  const T* cells = nullptr;
  const T* squashed_cells = nullptr;
  const T* hidden_gradient = nullptr;     ///< Of the loss by the outputs.
  Index hidden_gradient_step_stride = 0;  ///< 0 when only the last step's output is used.
  T* gates = nullptr;                     ///< In: the kept gates; out: the gradient by their sums.
  T* d_hidden = nullptr;                  ///< Room for streams × padded units.
  T* d_cells = nullptr;                   ///< The same.
};

/// The kernels as compiled for one instruction set.
template <class T>
struct Kernels {
  Index register_width;  ///< Values per register.
  void (*multiply)(const Product<T>&) noexcept;
  void (*recur)(const Recurrence<T>&) noexcept;
  void (*recur_keeping)(const Recurrence<T>&) noexcept;
  void (*recur_backward)(const RecurrenceGradient<T>&) noexcept;
};

/// x · above(x²) / below(x²) is tanh on [-7.9, 7.9].
inline constexpr float tanh_above[] = {0.9999999943605392F, 0.13450623955616925F,
                                       0.00357899601942891F, 2.2023310330318276e-05F,
                                       1.5428063492207773e-08F};
inline constexpr float tanh_below[] = {1.0F, 0.4678395195912629F, 0.026192253197386824F,
                                       0.00034236570547623913F, 8.598817064736672e-07F};

/// x · above(x²) / below(x²) is the logistic function less 1/2 on [-15.8, 15.8]: tanh(x / 2) / 2,
/// whose powers of 2 change no digit.
inline constexpr float sigmoid_above[] = {tanh_above[0] / 4, tanh_above[1] / 16, tanh_above[2] / 64,
                                          tanh_above[3] / 256, tanh_above[4] / 1024};
inline constexpr float sigmoid_below[] = {tanh_below[0], tanh_below[1] / 4, tanh_below[2] / 16,
                                          tanh_below[3] / 64, tanh_below[4] / 256};

/// exp's series up to the power 13, from the highest.
inline constexpr int n_exp_coefficients = 14;
inline constexpr double exp_coefficients[n_exp_coefficients] = {1.0 / 6227020800,
                                                                1.0 / 479001600,
                                                                1.0 / 39916800,
                                                                1.0 / 3628800,
                                                                1.0 / 362880,
                                                                1.0 / 40320,
                                                                1.0 / 5040,
                                                                1.0 / 720,
                                                                1.0 / 120,
                                                                1.0 / 24,
                                                                1.0 / 6,
                                                                0.5,
                                                                1.0,
                                                                1.0};

}  // namespace freshet::nn::detail
