// The arithmetic of the LSTM, once per instruction set: each of the headers instructions_*.hpp includes this
// text into a namespace of its own in which the compiler may use that set, after it has defined
// `FloatOperations` and `DoubleOperations` there. Hence no include guard.
//
// Whatever the number of streams, every sum begins at the same value and adds its products in the same
// order, so that a window scores to the bit the same alone, in a batch and among other streams.

/// A register of numbers with its operations: those of the instruction set, and those that all have.
template <class Operations>
struct Register : Operations {
  using Value = typename Operations::Value;
  using Vector = typename Operations::Vector;
  static constexpr Index width = sizeof(Vector) / sizeof(Value);

  [[gnu::always_inline]] static Vector load(const Value* from) {
    Vector vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
  }
  [[gnu::always_inline]] static void store(Value* to, Vector vector) {
    __builtin_memcpy(to, &vector, sizeof vector);
  }
};

using FloatPack = Register<FloatOperations>;
using DoublePack = Register<DoubleOperations>;

/// The register of a scalar type.
template <class T>
using Pack = std::conditional_t<std::is_same_v<T, float>, FloatPack, DoublePack>;

/// x · above(u) / below(u) with u = x² and x held within ±limit; NaN stays NaN.
[[gnu::always_inline]] inline FloatPack::Vector odd_quotient(FloatPack::Vector x, float limit,
                                                             const float (&above_coefficients)[5],
                                                             const float (&below_coefficients)[5]) {
  using P = FloatPack;
  x = P::max(P::broadcast(-limit), P::min(P::broadcast(limit), x));
  const P::Vector u = x * x;
  P::Vector above = P::broadcast(above_coefficients[4]);
  P::Vector below = P::broadcast(below_coefficients[4]);
  for (int i = 3; i >= 0; --i) {
    above = P::fma(above, u, P::broadcast(above_coefficients[i]));
    below = P::fma(below, u, P::broadcast(below_coefficients[i]));
  }
  return x * above / below;
}

/// tanh to 3e-7, the rounding of its evaluation included: an odd rational function, fitted for the least
/// largest relative error (6e-9) on [-7.9, 7.9]; beyond it tanh is ±1 within that error.
[[gnu::always_inline]] inline FloatPack::Vector tanh(FloatPack::Vector x) {
  return odd_quotient(x, 7.9F, tanh_above, tanh_below);
}

/// The logistic function to 2e-7: (1 + tanh(x / 2)) / 2, with the halves in the coefficients.
[[gnu::always_inline]] inline FloatPack::Vector sigmoid(FloatPack::Vector x) {
  return odd_quotient(x, 15.8F, sigmoid_above, sigmoid_below) + FloatPack::broadcast(0.5F);
}

/// exp to 2 units in the last place for |x| <= 708, which larger magnitudes are taken for.
[[gnu::always_inline]] inline DoublePack::Vector exp(DoublePack::Vector x) {
  using P = DoublePack;
  const P::Vector limit = P::broadcast(708.0);
  x = P::max(-limit, P::min(limit, x));  // in this order NaN stays NaN
  // x = n log 2 + r, |r| <= log(2) / 2; the sum with 1.5 · 2^52 leaves n in the lowest bits.
  const P::Vector shift = P::broadcast(0x1.8p52);
  const P::Vector shifted = P::fma(x, P::broadcast(1.4426950408889634), shift);
  const P::Vector n = shifted - shift;
  P::Vector r = P::fma(n, P::broadcast(-0x1.62e42feep-1), x);
  r = P::fma(n, P::broadcast(-0x1.a39ef35793c76p-33), r);
  P::Vector sum = P::broadcast(exp_coefficients[0]);
  for (int i = 1; i < n_exp_coefficients; ++i) {
    sum = P::fma(sum, r, P::broadcast(exp_coefficients[i]));
  }
  using Bits = typename P::Bits;
  Bits exponent;
  __builtin_memcpy(&exponent, &shifted, sizeof exponent);
  exponent = (exponent + 1023) << 52;
  P::Vector power;
  __builtin_memcpy(&power, &exponent, sizeof power);
  return sum * power;
}

[[gnu::always_inline]] inline DoublePack::Vector sigmoid(DoublePack::Vector x) {
  const DoublePack::Vector one = DoublePack::broadcast(1.0);
  return one / (one + exp(-x));
}

[[gnu::always_inline]] inline DoublePack::Vector tanh(DoublePack::Vector x) {
  const DoublePack::Vector two = DoublePack::broadcast(2.0);
  return DoublePack::broadcast(1.0) - two / (DoublePack::broadcast(1.0) + exp(two * x));
}

/// `Rows` × `Vectors` registers of C = start + A·B.
template <class T, int Rows, int Vectors>
[[gnu::always_inline]] inline void multiply_tile(const Product<T>& of, Index row, Index column) {
  using P = Pack<T>;
  typename P::Vector sum[Rows][Vectors];
  for (int i = 0; i < Rows; ++i) {
    for (int v = 0; v < Vectors; ++v) {
      sum[i][v] = of.start == nullptr
                      ? typename P::Vector{}
                      : P::load(of.start + (row + i) * of.start_stride + column + v * P::width);
    }
  }
  const T* a = of.a + row * of.a_row_stride;
  const T* b = of.b + column;
  for (Index k = 0; k < of.depth; ++k) {
    typename P::Vector factor[Vectors];
    for (int v = 0; v < Vectors; ++v) factor[v] = P::load(b + v * P::width);
    for (int i = 0; i < Rows; ++i) {
      const typename P::Vector scalar = P::broadcast(a[i * of.a_row_stride]);
      for (int v = 0; v < Vectors; ++v) sum[i][v] = P::fma(scalar, factor[v], sum[i][v]);
    }
    a += of.a_column_stride;
    b += of.b_stride;
  }
  for (int i = 0; i < Rows; ++i) {
    for (int v = 0; v < Vectors; ++v) {
      P::store(of.c + (row + i) * of.c_stride + column + v * P::width, sum[i][v]);
    }
  }
}

/// All columns of `Rows` rows: as many registers at once as hide the latency of their sums.
template <class T, int Rows>
inline void multiply_rows(const Product<T>& of, Index row) {
  constexpr Index width = Pack<T>::width;
  constexpr int most = Rows == 1 ? 8 : Rows == 2 ? 4 : 2;
  Index column = 0;
  for (; column + most * width <= of.n_columns; column += most * width) {
    multiply_tile<T, Rows, most>(of, row, column);
  }
  if constexpr (most > 4) {
    for (; column + 4 * width <= of.n_columns; column += 4 * width) {
      multiply_tile<T, Rows, 4>(of, row, column);
    }
  }
  if constexpr (most > 2) {
    for (; column + 2 * width <= of.n_columns; column += 2 * width) {
      multiply_tile<T, Rows, 2>(of, row, column);
    }
  }
  for (; column < of.n_columns; column += width) multiply_tile<T, Rows, 1>(of, row, column);
}

template <class T>
void multiply(const Product<T>& of) noexcept {
  Index row = 0;
  for (; row + 6 <= of.n_rows; row += 6) multiply_rows<T, 6>(of, row);
  switch (of.n_rows - row) {
    case 5:
      return multiply_rows<T, 5>(of, row);
    case 4:
      return multiply_rows<T, 4>(of, row);
    case 3:
      return multiply_rows<T, 3>(of, row);
    case 2:
      return multiply_rows<T, 2>(of, row);
    case 1:
      return multiply_rows<T, 1>(of, row);
    default:
      return;
  }
}

/// Where one step of a recurrence reads and writes.
template <class T>
struct Step {
  const T* sums;             ///< streams × width: the gates' sums without what the past adds.
  const T* previous_hidden;  ///< streams × padded units; null at the first step.
  const T* previous_cells;   ///< The same.
  T* hidden;
  T* cells;
  T* gates;           ///< Where the sums are completed and, in training, the gates are kept.
  T* squashed_cells;  ///< In training only.
};

/// A register of units on the way from their sums to their hidden states.
template <class T>
struct Opened {
  typename Pack<T>::Vector cell;
  typename Pack<T>::Vector output;
};

/// From the complete sums of a register of units to their new cells; `at` is where its units are.
template <class T, bool keep>
[[gnu::always_inline]] inline Opened<T> advance(const Step<T>& step, typename Pack<T>::Vector input,
                                           typename Pack<T>::Vector forget,
                                           typename Pack<T>::Vector candidate,
                                           typename Pack<T>::Vector output, Index at,
                                           [[maybe_unused]] T* gates) {
  using P = Pack<T>;
  input = sigmoid(input);
  forget = sigmoid(forget);
  candidate = tanh(candidate);
  output = sigmoid(output);
  typename P::Vector cell = input * candidate;
  if (step.previous_cells != nullptr) {
    cell = P::fma(forget, P::load(step.previous_cells + at), cell);
  }
  P::store(step.cells + at, cell);
  if constexpr (keep) {
    P::store(gates, input);
    P::store(gates + panel_units<T>, forget);
    P::store(gates + 2 * panel_units<T>, candidate);
    P::store(gates + 3 * panel_units<T>, output);
  }
  return {cell, output};
}

/// From output gates, which are where the hidden states will be, to these: `n` registers of units from
/// `at`. Done for many units after `advance` was done for all of them: in one go it is a chain of
/// operations so long that the processor does not see those of the next units in time.
template <class T, bool keep>
[[gnu::always_inline]] inline void finish(const Step<T>& step, Index at, Index n) {
  using P = Pack<T>;
  for (const Index end = at + n * P::width; at < end; at += P::width) {
    const typename P::Vector squashed = tanh(P::load(step.cells + at));
    P::store(step.hidden + at, P::load(step.hidden + at) * squashed);
    if constexpr (keep) P::store(step.squashed_cells + at, squashed);
  }
}

/// `count` registers of units of a single stream, from the `first`; their sums stay in registers.
/// Whether it `finishes` them, or leaves that to `finish`, is a matter of speed only.
template <class T, bool keep, int count, bool finishes>
[[gnu::always_inline]] inline void step_units(const Recurrence<T>& of, const Step<T>& step,
                                              Index hidden_size, Index first) {
  using P = Pack<T>;
  constexpr Index per_panel = panel_units<T> / P::width;
  typename P::Vector sums[count][4];
  const T* weights[count];
  Index gates[count];
  for (int q = 0; q < count; ++q) {
    const Index panel = (first + q) / per_panel;
    const Index lane = (first + q) % per_panel * P::width;
    gates[q] = panel * panel_width<T> + lane;
    weights[q] = of.weights + panel * hidden_size * panel_width<T> + lane;
    for (int gate = 0; gate < 4; ++gate) {
      sums[q][gate] = P::load(step.sums + gates[q] + gate * panel_units<T>);
    }
  }
  if (step.previous_hidden != nullptr) {
    for (Index k = 0; k < hidden_size; ++k) {
      const typename P::Vector past = P::broadcast(step.previous_hidden[k]);
      for (int q = 0; q < count; ++q) {
        const T* row = weights[q] + k * panel_width<T>;
        for (int gate = 0; gate < 4; ++gate) {
          sums[q][gate] = P::fma(past, P::load(row + gate * panel_units<T>), sums[q][gate]);
        }
      }
    }
  }
  for (int q = 0; q < count; ++q) {
    const Index at = (first + q) * P::width;
    const Opened<T> opened =
        advance<T, keep>(step, sums[q][0], sums[q][1], sums[q][2], sums[q][3], at,
                         keep ? step.gates + gates[q] : nullptr);
    if constexpr (finishes) {
      const typename P::Vector squashed = tanh(opened.cell);
      P::store(step.hidden + at, opened.output * squashed);
      if constexpr (keep) P::store(step.squashed_cells + at, squashed);
    } else {
      P::store(step.hidden + at, opened.output);
    }
  }
}

/// A step of a single stream. Every other step goes through the units backwards: what it needs
/// first is then what the step before has just had in the nearest cache.
template <class T, bool keep>
[[gnu::always_inline]] inline void step_alone(const Recurrence<T>& of, const Step<T>& step,
                                              Index hidden_size, bool backwards) {
  const Index n_units = (hidden_size + Pack<T>::width - 1) / Pack<T>::width;
  // With so few, nothing is left to be done meanwhile, and writing and reading them would take longer.
  if (n_units == 1) return step_units<T, keep, 1, true>(of, step, hidden_size, 0);
  if (n_units == 2) return step_units<T, keep, 2, true>(of, step, hidden_size, 0);
  const Index n_pairs = n_units / 2;
  const auto last = [&] { step_units<T, keep, 1, false>(of, step, hidden_size, n_units - 1); };
  if (backwards && n_units % 2 != 0) last();
  for (Index pair = 0; pair < n_pairs; ++pair) {
    step_units<T, keep, 2, false>(of, step, hidden_size,
                                  2 * (backwards ? n_pairs - 1 - pair : pair));
  }
  if (!backwards && n_units % 2 != 0) last();
  finish<T, keep>(step, 0, n_units);
}

/// A step of several streams: a matrix product per panel, then its units' new states.
template <class T, bool keep>
[[gnu::always_inline]] inline void step_streams(const Recurrence<T>& of, const Step<T>& step) {
  using P = Pack<T>;
  const Index width = of.n_panels * panel_width<T>;
  const Index units = of.n_panels * panel_units<T>;
  for (Index panel = 0; panel < of.n_panels; ++panel) {
    const T* sums = step.sums + panel * panel_width<T>;
    Index sums_stride = width;
    T* gates = keep ? step.gates + panel * panel_width<T> : step.gates;
    const Index gates_stride = keep ? width : panel_width<T>;
    if (step.previous_hidden != nullptr) {
      multiply<T>({.n_rows = of.n_streams,
                   .n_columns = panel_width<T>,
                   .depth = of.hidden_size,
                   .a = step.previous_hidden,
                   .a_row_stride = units,
                   .a_column_stride = 1,
                   .b = of.weights + panel * of.hidden_size * panel_width<T>,
                   .b_stride = panel_width<T>,
                   .start = sums,
                   .start_stride = width,
                   .c = gates,
                   .c_stride = gates_stride});
      sums = gates;
      sums_stride = gates_stride;
    }
    for (Index stream = 0; stream < of.n_streams; ++stream) {
      for (Index lane = 0; lane < panel_units<T>; lane += P::width) {
        const T* from = sums + stream * sums_stride + lane;
        const Index at = stream * units + panel * panel_units<T> + lane;
        const Opened<T> opened = advance<T, keep>(
            step, P::load(from), P::load(from + panel_units<T>), P::load(from + 2 * panel_units<T>),
            P::load(from + 3 * panel_units<T>), at,
            keep ? gates + stream * gates_stride + lane : nullptr);
        P::store(step.hidden + at, opened.output);
      }
    }
  }
  finish<T, keep>(step, 0, of.n_streams * units / P::width);
}

/// All steps. `HiddenSize` is the number of units where it is known at compile time, else 0.
template <class T, bool keep, int HiddenSize>
void recur(const Recurrence<T>& of) noexcept {
  const Index hidden_size = HiddenSize > 0 ? HiddenSize : of.hidden_size;
  const Index states = of.n_streams * of.n_panels * panel_units<T>;
  const Index gates = of.n_streams * of.n_panels * panel_width<T>;
  for (Index t = 0; t < of.n_steps; ++t) {
    const Step<T> step{
        .sums = of.sums + t * of.sums_step_stride,
        .previous_hidden = t == 0 ? nullptr : of.hidden + (t - 1) * states,
        .previous_cells = t == 0 ? nullptr : of.cells + (keep ? (t - 1) * states : 0),
        .hidden = of.hidden + t * states,
        .cells = of.cells + (keep ? t * states : 0),
        .gates = keep ? of.gates + t * gates : of.gates,
        .squashed_cells = keep ? of.squashed_cells + t * states : nullptr,
    };
    if (of.n_streams == 1) {
      step_alone<T, keep>(of, step, hidden_size, t % 2 != 0);
    } else {
      step_streams<T, keep>(of, step);
    }
  }
}

/// Back through time: turns the kept gates into the gradients of their sums.
template <class T>
void recur_backward(const RecurrenceGradient<T>& of) noexcept {
  using P = Pack<T>;
  const Index units = of.n_panels * panel_units<T>;
  const Index width = of.n_panels * panel_width<T>;
  const Index states = of.n_streams * units;
  const typename P::Vector one = P::broadcast(T{1});
  for (Index t = of.n_steps - 1; t >= 0; --t) {
    const bool is_last = t == of.n_steps - 1;
    const T* from_above =
        of.hidden_gradient_step_stride != 0 || is_last
            ? of.hidden_gradient + t * of.hidden_gradient_step_stride
            : nullptr;
    T* gates_of_step = of.gates + t * of.n_streams * width;
    for (Index stream = 0; stream < of.n_streams; ++stream) {
      for (Index unit = 0; unit < units; unit += P::width) {
        const Index at = stream * units + unit;
        T* gates = gates_of_step + stream * width + unit / panel_units<T> * panel_width<T> +
                   unit % panel_units<T>;
        const typename P::Vector input = P::load(gates);
        const typename P::Vector forget = P::load(gates + panel_units<T>);
        const typename P::Vector candidate = P::load(gates + 2 * panel_units<T>);
        const typename P::Vector output = P::load(gates + 3 * panel_units<T>);
        const typename P::Vector squashed = P::load(of.squashed_cells + t * states + at);
        typename P::Vector d_hidden{};
        typename P::Vector d_cell{};
        if (from_above != nullptr) d_hidden = P::load(from_above + at);
        if (!is_last) {
          d_hidden = d_hidden + P::load(of.d_hidden + at);
          d_cell = P::load(of.d_cells + at);
        }
        const typename P::Vector d_output = d_hidden * squashed;
        d_cell = d_cell + d_hidden * output * (one - squashed * squashed);
        typename P::Vector d_forget{};
        if (t > 0) d_forget = d_cell * P::load(of.cells + (t - 1) * states + at);
        P::store(gates, d_cell * candidate * input * (one - input));
        P::store(gates + panel_units<T>, d_forget * forget * (one - forget));
        P::store(gates + 2 * panel_units<T>, d_cell * input * (one - candidate * candidate));
        P::store(gates + 3 * panel_units<T>, d_output * output * (one - output));
        P::store(of.d_cells + at, d_cell * forget);
      }
    }
    if (t == 0) break;
    multiply<T>({.n_rows = of.n_streams,
                 .n_columns = units,
                 .depth = width,
                 .a = gates_of_step,
                 .a_row_stride = width,
                 .a_column_stride = 1,
                 .b = of.transposed_weights,
                 .b_stride = units,
                 .start = nullptr,
                 .start_stride = 0,
                 .c = of.d_hidden,
                 .c_stride = units});
  }
}

template <class T, int HiddenSize>
inline constexpr Kernels<T> kernels{Pack<T>::width, &multiply<T>, &recur<T, false, HiddenSize>,
                                    &recur<T, true, HiddenSize>, &recur_backward<T>};
