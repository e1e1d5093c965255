// The comparison that a user of Eigen would write: the sizes known to the compiler, one
// matrix-vector product for the four gates of a step, array expressions for the activations.

#include <cstddef>
#include <memory>
#include <span>

#include <Eigen/Core>

#include "native.hpp"

namespace freshet::bench::native {
namespace {

template <int Inputs, int Hidden>
class Lstm {
 public:
  using State = Eigen::Matrix<float, Hidden, 1>;

  explicit Lstm(std::span<const float* const> parameters)
      : input_weights_(Eigen::Map<const RowMajor<Inputs>>(parameters[0])),
        weights_(Eigen::Map<const RowMajor<Hidden>>(parameters[1])),
        biases_(Eigen::Map<const Gates>(parameters[2]) + Eigen::Map<const Gates>(parameters[3])) {}

  void restart() {
    hidden_.setZero();
    cell_.setZero();
  }

  /// What an input adds to the gates, to be computed once where it is the same at every step.
  template <class Input>
  void set_input(const Input& input) {
    from_input_ = biases_;
    from_input_.noalias() += input_weights_ * input;
  }

  const State& step() {
    gates_ = from_input_;
    gates_.noalias() += weights_ * hidden_;
    const auto input = gates_.template segment<Hidden>(0).array().logistic();
    const auto forget = gates_.template segment<Hidden>(Hidden).array().logistic();
    const auto candidate = gates_.template segment<Hidden>(2 * Hidden).array().tanh();
    const auto output = gates_.template segment<Hidden>(3 * Hidden).array().logistic();
    cell_ = forget * cell_ + input * candidate;
    hidden_ = output * cell_.tanh();
    return hidden_;
  }

 private:
  using Gates = Eigen::Matrix<float, 4 * Hidden, 1>;
  template <int Columns>
  using RowMajor =
      Eigen::Matrix<float, 4 * Hidden, Columns, Columns == 1 ? Eigen::ColMajor : Eigen::RowMajor>;

  // Eigen's default, by columns, is the faster one for these products.
  Eigen::Matrix<float, 4 * Hidden, Inputs> input_weights_;
  Eigen::Matrix<float, 4 * Hidden, Hidden> weights_;
  Gates biases_;
  Gates from_input_;
  Gates gates_;
  State hidden_;
  Eigen::Array<float, Hidden, 1> cell_;
};

template <int Hidden>
class Autoencoder final : public PlainAutoencoder {
 public:
  explicit Autoencoder(std::span<const float* const> parameters)
      : encoder_(parameters.first(4)),
        decoder_(parameters.subspan(4, 4)),
        output_weights_(Eigen::Map<const Eigen::Matrix<float, Hidden, 1>>(parameters[8])),
        output_bias_(*parameters[9]) {}

  float reconstruct(std::span<const float> window, std::span<float> out) override {
    encoder_.restart();
    decoder_.restart();
    const Eigen::Matrix<float, Hidden, 1>* hidden = nullptr;
    for (const float value : window) {
      encoder_.set_input(Eigen::Matrix<float, 1, 1>(value));
      hidden = &encoder_.step();
    }
    decoder_.set_input(*hidden);
    float squares = 0.0F;
    for (std::size_t t = 0; t < window.size(); ++t) {
      out[t] = output_weights_.dot(decoder_.step()) + output_bias_;
      squares += (out[t] - window[t]) * (out[t] - window[t]);
    }
    return squares / static_cast<float>(window.size());
  }

 private:
  Lstm<1, Hidden> encoder_;
  Lstm<Hidden, Hidden> decoder_;
  Eigen::Matrix<float, Hidden, 1> output_weights_;
  float output_bias_;
};

}  // namespace

std::unique_ptr<PlainAutoencoder> make_plain_autoencoder(std::size_t hidden_size,
                                                         std::span<const float* const> parameters) {
  switch (hidden_size) {
    case 16:
      return std::make_unique<Autoencoder<16>>(parameters);
    case 32:
      return std::make_unique<Autoencoder<32>>(parameters);
    case 64:
      return std::make_unique<Autoencoder<64>>(parameters);
    default:
      return nullptr;
  }
}

}  // namespace freshet::bench::native
