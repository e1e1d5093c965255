#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "freshet/nn/detail/kernel_types.hpp"
#include "freshet/nn/detail/workspace.hpp"
#include "freshet/nn/tensor.hpp"

/// @file
/// One layer of an LSTM: where its parameters lie and what is computed with them.

namespace freshet::nn::detail {

/// What a layer's way forward leaves for its way back.
template <class T>
struct LayerTape {
  Index n_steps = 0;
  Index n_streams = 0;
  const T* inputs = nullptr;
  Index input_stride = 0;
  bool constant_input = false;
  T* gates = nullptr;  ///< Turned into the gradient of their sums on the way back.
  T* hidden = nullptr;
  T* cells = nullptr;
  T* squashed_cells = nullptr;
};

/// Sizes and place of one layer's parameters within those of all layers: panels × inputs × width of
/// input weights, panels × units × width of recurrent weights, and two rows of biases.
template <class T>
class LstmLayer {
 public:
  enum class Part { weight_ih, weight_hh, bias_ih, bias_hh };
  static constexpr std::array<Part, 4> parts{Part::weight_ih, Part::weight_hh, Part::bias_ih,
                                             Part::bias_hh};

  LstmLayer(Index input_size, Index hidden_size, Index begin)
      : input_size_(input_size), hidden_size_(hidden_size), begin_(begin) {}

  [[nodiscard]] static const char* name(Part part) noexcept {
    constexpr std::array<const char*, 4> names{"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
    return names[static_cast<std::size_t>(part)];
  }
  [[nodiscard]] static bool is_bias(Part part) noexcept {
    return part == Part::bias_ih || part == Part::bias_hh;
  }

  [[nodiscard]] Index input_size() const noexcept { return input_size_; }
  [[nodiscard]] Index hidden_size() const noexcept { return hidden_size_; }
  /// Units, those that fill up the last panel included.
  [[nodiscard]] Index units() const noexcept { return padded<T>(hidden_size_); }
  [[nodiscard]] Index n_values() const noexcept {
    return width() * (input_size_ + hidden_size_ + 2);
  }

  /// The parameters `part` in PyTorch's layout out of all `values`.
  [[nodiscard]] Tensor<T> tensor(Part part, const T* values) const {
    Tensor<T> tensor(4 * hidden_size_, columns(part));
    for (Index row = 0; row < tensor.rows(); ++row) {
      for (Index column = 0; column < tensor.cols(); ++column) {
        tensor(row, column) = values[place(part, row, column)];
      }
    }
    return tensor;
  }
  /// Sets them, called `name` in errors.
  void set_tensor(Part part, const std::string& name, const Tensor<T>& tensor, T* values) const {
    require_shape(name, tensor, 4 * hidden_size_, columns(part));
    for (Index row = 0; row < tensor.rows(); ++row) {
      for (Index column = 0; column < tensor.cols(); ++column) {
        values[place(part, row, column)] = tensor(row, column);
      }
    }
  }

  /// Room for `forward` besides the hidden states.
  [[nodiscard]] Index forward_size(Index n_steps, Index n_streams) const noexcept {
    return padded<T>(width()) + padded<T>(n_steps * n_streams * width()) +
           padded<T>(n_streams * units()) + padded<T>(n_streams * panel_width<T>);
  }

  void forward(const Kernels<T>& kernels, const T* values, const T* inputs, Index input_stride,
               bool constant_input, Index n_steps, Index n_streams, T* hidden,
               Workspace<T>& workspace) const noexcept {
    const Index n_rows = constant_input ? n_streams : n_steps * n_streams;
    T* sums = workspace.take(n_rows * width());
    add_inputs(kernels, values, inputs, input_stride, n_rows, sums, workspace);
    kernels.recur({.n_steps = n_steps,
                   .n_streams = n_streams,
                   .hidden_size = hidden_size_,
                   .n_panels = n_panels(),
                   .sums = sums,
                   .sums_step_stride = constant_input ? 0 : n_streams * width(),
                   .weights = values + recurrent(),
                   .hidden = hidden,
                   .cells = workspace.take(n_streams * units()),
                   .gates = workspace.take(n_streams * panel_width<T>),
                   .squashed_cells = nullptr});
  }

  /// Room for `forward_keeping` and `backward`.
  [[nodiscard]] Index training_size(Index n_steps, Index n_streams) const noexcept {
    const Index n_rows = n_steps * n_streams;
    return padded<T>(width()) + 2 * padded<T>(n_rows * width()) + 3 * padded<T>(n_rows * units()) +
           2 * padded<T>(n_streams * units()) + padded<T>(n_streams * width()) +
           padded<T>(n_rows * padded<T>(input_size_));
  }

  [[nodiscard]] LayerTape<T> forward_keeping(const Kernels<T>& kernels, const T* values,
                                             const T* inputs, Index input_stride,
                                             bool constant_input, Index n_steps, Index n_streams,
                                             Workspace<T>& workspace) const noexcept {
    const Index n_rows = n_steps * n_streams;
    T* gates = workspace.take(n_rows * width());
    // Sums that differ from step to step lie where the gates made of them will be kept.
    T* sums = constant_input ? workspace.take(n_streams * width()) : gates;
    add_inputs(kernels, values, inputs, input_stride, constant_input ? n_streams : n_rows, sums,
               workspace);
    const LayerTape<T> tape{.n_steps = n_steps,
                            .n_streams = n_streams,
                            .inputs = inputs,
                            .input_stride = input_stride,
                            .constant_input = constant_input,
                            .gates = gates,
                            .hidden = workspace.take(n_rows * units()),
                            .cells = workspace.take(n_rows * units()),
                            .squashed_cells = workspace.take(n_rows * units())};
    kernels.recur_keeping({.n_steps = n_steps,
                           .n_streams = n_streams,
                           .hidden_size = hidden_size_,
                           .n_panels = n_panels(),
                           .sums = sums,
                           .sums_step_stride = constant_input ? 0 : n_streams * width(),
                           .weights = values + recurrent(),
                           .hidden = tape.hidden,
                           .cells = tape.cells,
                           .gates = gates,
                           .squashed_cells = tape.squashed_cells});
    return tape;
  }

  /// Recurrent and input weights as rows for each sum of gates.
  [[nodiscard]] Index transposed_size() const noexcept {
    return width() * (units() + padded<T>(input_size_));
  }
  void transpose(const T* values, T* transposed) const noexcept {
    transpose(values + recurrent(), hidden_size_, transposed);
    transpose(values + begin_, input_size_, transposed + width() * units());
  }

  /// See Lstm::backward.
  const T* backward(const Kernels<T>& kernels, LayerTape<T>& tape, const T* transposed,
                    const T* hidden_gradient, bool only_last, T* gradient, bool wants_inputs,
                    Workspace<T>& workspace) const noexcept {
    const Index step = tape.n_streams * units();
    kernels.recur_backward({.n_steps = tape.n_steps,
                            .n_streams = tape.n_streams,
                            .n_panels = n_panels(),
                            .transposed_weights = transposed,
                            .cells = tape.cells,
                            .squashed_cells = tape.squashed_cells,
                            .hidden_gradient = hidden_gradient,
                            .hidden_gradient_step_stride = only_last ? 0 : step,
                            .gates = tape.gates,
                            .d_hidden = workspace.take(step),
                            .d_cells = workspace.take(step)});
    const Index n_rows = tape.n_steps * tape.n_streams;
    // What the hidden states of a step add to is the sums of the next step.
    add_products(kernels, tape.hidden, units(), hidden_size_, n_rows - tape.n_streams,
                 tape.gates + tape.n_streams * width(), gradient + recurrent());
    const T* of_sums = tape.gates;
    Index n_input_rows = n_rows;
    if (tape.constant_input) {
      n_input_rows = tape.n_streams;
      of_sums = sum_of_steps(tape, workspace.take(tape.n_streams * width()));
    }
    add_products(kernels, tape.inputs, tape.input_stride, input_size_, n_input_rows, of_sums,
                 gradient + begin_);
    static constexpr T one = 1;
    T* of_biases = gradient + biases();
    kernels.multiply({.n_rows = 1,
                      .n_columns = width(),
                      .depth = n_input_rows,
                      .a = &one,
                      .a_row_stride = 0,
                      .a_column_stride = 0,
                      .b = of_sums,
                      .b_stride = width(),
                      .start = nullptr,
                      .start_stride = 0,
                      .c = of_biases,
                      .c_stride = width()});
    std::copy_n(of_biases, width(), of_biases + width());
    if (!wants_inputs) return nullptr;
    const Index input_units = padded<T>(input_size_);
    T* of_inputs = workspace.take(n_input_rows * input_units);
    kernels.multiply({.n_rows = n_input_rows,
                      .n_columns = input_units,
                      .depth = width(),
                      .a = of_sums,
                      .a_row_stride = width(),
                      .a_column_stride = 1,
                      .b = transposed + width() * units(),
                      .b_stride = input_units,
                      .start = nullptr,
                      .start_stride = 0,
                      .c = of_inputs,
                      .c_stride = input_units});
    return of_inputs;
  }

  friend bool operator==(const LstmLayer&, const LstmLayer&) = default;

 private:
  [[nodiscard]] Index n_panels() const noexcept { return panels_of<T>(hidden_size_); }
  [[nodiscard]] Index width() const noexcept { return n_panels() * panel_width<T>; }
  [[nodiscard]] Index recurrent() const noexcept { return begin_ + width() * input_size_; }
  [[nodiscard]] Index biases() const noexcept { return recurrent() + width() * hidden_size_; }
  [[nodiscard]] Index columns(Part part) const noexcept {
    return part == Part::weight_ih ? input_size_ : part == Part::weight_hh ? hidden_size_ : 1;
  }

  /// Where PyTorch's element (row, column) lies: PyTorch has all units of a gate after another.
  [[nodiscard]] Index place(Part part, Index row, Index column) const noexcept {
    const Index gate = row / hidden_size_;
    const Index unit = row % hidden_size_;
    const Index panel = unit / panel_units<T>;
    const Index in_panel = gate * panel_units<T> + unit % panel_units<T>;
    switch (part) {
      case Part::weight_ih:
        return begin_ + (panel * input_size_ + column) * panel_width<T> + in_panel;
      case Part::weight_hh:
        return recurrent() + (panel * hidden_size_ + column) * panel_width<T> + in_panel;
      case Part::bias_ih:
        break;
      case Part::bias_hh:
        return biases() + width() + panel * panel_width<T> + in_panel;
    }
    return biases() + panel * panel_width<T> + in_panel;
  }

  /// sums = biases + inputs · input weights, row by row.
  void add_inputs(const Kernels<T>& kernels, const T* values, const T* inputs, Index input_stride,
                  Index n_rows, T* sums, Workspace<T>& workspace) const noexcept {
    T* start = workspace.take(width());
    const T* of_inputs = values + biases();
    for (Index j = 0; j < width(); ++j) start[j] = of_inputs[j] + of_inputs[width() + j];
    for (Index panel = 0; panel < n_panels(); ++panel) {
      kernels.multiply({.n_rows = n_rows,
                        .n_columns = panel_width<T>,
                        .depth = input_size_,
                        .a = inputs,
                        .a_row_stride = input_stride,
                        .a_column_stride = 1,
                        .b = values + begin_ + panel * input_size_ * panel_width<T>,
                        .b_stride = panel_width<T>,
                        .start = start + panel * panel_width<T>,
                        .start_stride = 0,
                        .c = sums + panel * panel_width<T>,
                        .c_stride = width()});
    }
  }

  /// The gradient of weights: the sum over rows of (inputs of the row)ᵀ · (gradient of its sums).
  void add_products(const Kernels<T>& kernels, const T* inputs, Index input_stride, Index n_inputs,
                    Index n_rows, const T* of_sums, T* gradient) const noexcept {
    constexpr Index most_rows = 128;  // what stays in the nearest caches
    for (Index row = 0; row == 0 || row < n_rows; row += most_rows) {
      for (Index panel = 0; panel < n_panels(); ++panel) {
        T* of_panel = gradient + panel * n_inputs * panel_width<T>;
        kernels.multiply({.n_rows = n_inputs,
                          .n_columns = panel_width<T>,
                          .depth = std::min(most_rows, n_rows - row),
                          .a = inputs + row * input_stride,
                          .a_row_stride = 1,
                          .a_column_stride = input_stride,
                          .b = of_sums + row * width() + panel * panel_width<T>,
                          .b_stride = width(),
                          .start = row == 0 ? nullptr : of_panel,
                          .start_stride = panel_width<T>,
                          .c = of_panel,
                          .c_stride = panel_width<T>});
      }
    }
  }

  /// For an input that is the same at every step: the gradients of its sums, added up.
  const T* sum_of_steps(const LayerTape<T>& tape, T* sum) const noexcept {
    const Index n = tape.n_streams * width();
    std::copy_n(tape.gates, n, sum);
    for (Index t = 1; t < tape.n_steps; ++t) {
      for (Index i = 0; i < n; ++i) sum[i] += tape.gates[t * n + i];
    }
    return sum;
  }

  /// From panels × inputs × width to width × padded inputs.
  void transpose(const T* weights, Index n_inputs, T* transposed) const noexcept {
    const Index stride = padded<T>(n_inputs);
    std::fill_n(transposed, width() * stride, T{0});
    for (Index panel = 0; panel < n_panels(); ++panel) {
      for (Index k = 0; k < n_inputs; ++k) {
        for (Index j = 0; j < panel_width<T>; ++j) {
          transposed[(panel * panel_width<T> + j) * stride + k] =
              weights[(panel * n_inputs + k) * panel_width<T> + j];
        }
      }
    }
  }

  Index input_size_;
  Index hidden_size_;
  Index begin_;
};

}  // namespace freshet::nn::detail
