#pragma once

#include <cstddef>
#include <memory>
#include <span>

/// @file
/// What freshet is held against, compiled for the very machine that measures. A library of its own
/// that hides all but these, so that nothing else comes to run code that was compiled this way.

namespace freshet::bench::native {

/// The LSTM autoencoder with one layer and one column, as one writes it with Eigen.
class PlainAutoencoder {
 public:
  PlainAutoencoder() = default;
  PlainAutoencoder(const PlainAutoencoder&) = delete;
  PlainAutoencoder& operator=(const PlainAutoencoder&) = delete;
  virtual ~PlainAutoencoder() = default;

  /// Writes the reconstruction of `window`. @return the mean squared error
  virtual float reconstruct(std::span<const float> window, std::span<float> out) = 0;
};

/// @param hidden_size  16, 32 or 64; otherwise the result is null
/// @param parameters   in the order and layout of PyTorch's state dict
[[nodiscard]] [[gnu::visibility("default")]] std::unique_ptr<PlainAutoencoder>
make_plain_autoencoder(std::size_t hidden_size, std::span<const float* const> parameters);

/// Does `n_rounds` of independent multiply-adds in registers of the machine's full width.
/// @return how many multiply-adds of floats these were
[[gnu::visibility("default")]] double multiply_adds(std::size_t n_rounds);

}  // namespace freshet::bench::native
