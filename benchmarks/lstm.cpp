// The LSTM autoencoder with windows of 48 steps of one column, in single precision: one window,
// many at once, and a step of the training. Prints JSON.
//
//     freshet_lstm_benchmarks [ROUNDS [MILLISECONDS [REGEX]]]
//
// The cases, those whose name REGEX matches, take turns: each runs for so many milliseconds per
// round. Short ones, so that on a busy machine some pass without an interruption.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/core/random.hpp"
#include "freshet/nn/autoencoder.hpp"
#include "freshet/nn/detail/parallel.hpp"
#include "freshet/nn/detail/window_set.hpp"
#include "freshet/nn/instruction_set.hpp"
#include "freshet/nn/training.hpp"
#include "native.hpp"
#include "rows.hpp"

namespace {

using freshet::nn::AutoencoderSizes;
using freshet::nn::Index;
using freshet::nn::InstructionSet;
using freshet::nn::detail::Parallel;
using Workspace = freshet::nn::detail::Workspace<float>;
using WindowSet = freshet::nn::detail::WindowSet<float>;
using Network = freshet::nn::Autoencoder<float>;
template <int HiddenSize>
using FixedNetwork = freshet::nn::Autoencoder<float, 1, HiddenSize>;

constexpr Index n_steps = 48;
constexpr Index n_windows = 256;
constexpr std::size_t batch_size = 64;
constexpr Index training_hidden_size = 32;

/// A thing to measure.
struct Case {
  std::string name;
  double n_items;  ///< Windows or steps per call.
  std::function<void()> run;
};

/// Windows of normal values, none of which overlap.
WindowSet some_windows() {
  return {freshet::bench::normal_rows(n_windows, n_steps, 1),
          freshet::AffineTransform::identity(1)};
}

template <class SomeNetwork>
SomeNetwork with_random_weights(Index hidden_size) {
  SomeNetwork network(AutoencoderSizes{.n_columns = 1, .hidden_size = hidden_size});
  freshet::RandomGenerator random(7);
  network.initialize(random);
  return network;
}

/// Every window by itself.
class OneWindow {
 public:
  OneWindow() : values_(static_cast<std::size_t>(n_windows * n_steps)) {
    const WindowSet windows = some_windows();
    for (Index i = 0; i < n_windows; ++i) windows.gather(std::span(&i, 1), &values_[offset(i)]);
  }

  [[nodiscard]] std::span<const float> next() {
    next_ = (next_ + 1) % n_windows;
    return {&values_[offset(next_)], static_cast<std::size_t>(n_steps)};
  }

  template <class SomeNetwork>
  double error(const SomeNetwork& network, InstructionSet instructions) {
    const float* window = next().data();
    const float* out = network.reconstruct(window, n_steps, 1, workspace_, instructions);
    double error = 0.0;
    network.window_errors(window, out, n_steps, 1, &error);
    return error;
  }

 private:
  static std::size_t offset(Index window) { return static_cast<std::size_t>(window * n_steps); }

  std::vector<float> values_;
  Index next_ = 0;
  Workspace workspace_;
};

/// All windows, some side by side, by some threads.
class ManyWindows {
 public:
  ManyWindows(Index hidden_size, std::size_t chunk_size, std::size_t n_threads)
      : network_(with_random_weights<Network>(hidden_size)),
        chunk_size_(chunk_size),
        parallel_(n_threads),
        inputs_(n_threads, std::vector<float>(chunk_size * static_cast<std::size_t>(n_steps))),
        workspaces_(n_threads),
        order_(static_cast<std::size_t>(n_windows)),
        errors_(order_.size()) {
    std::iota(order_.begin(), order_.end(), Index{0});
  }

  void score() {
    const std::size_t n_chunks = (order_.size() + chunk_size_ - 1) / chunk_size_;
    parallel_(n_chunks, [&](std::size_t chunk, std::size_t thread) {
      const std::size_t begin = chunk * chunk_size_;
      const auto some = std::span<const Index>(order_).subspan(
          begin, std::min(chunk_size_, order_.size() - begin));
      const auto n = static_cast<Index>(some.size());
      float* windows = inputs_[thread].data();
      windows_.gather(some, windows);
      const float* outputs = network_.reconstruct(windows, n_steps, n, workspaces_[thread]);
      network_.window_errors(windows, outputs, n_steps, n, &errors_[begin]);
    });
  }

 private:
  Network network_;
  std::size_t chunk_size_;
  Parallel parallel_;
  WindowSet windows_ = some_windows();
  std::vector<std::vector<float>> inputs_;
  std::vector<Workspace> workspaces_;
  std::vector<Index> order_;
  std::vector<double> errors_;
};

/// Steps of the optimizer on batches that differ.
class Training {
 public:
  explicit Training(std::size_t n_threads)
      : network_(with_random_weights<Network>(training_hidden_size)),
        run_(network_, windows_, {.batch_size = batch_size, .n_threads = n_threads}),
        order_(static_cast<std::size_t>(n_windows)) {
    std::iota(order_.begin(), order_.end(), Index{0});
  }

  void step() {
    begin_ = (begin_ + batch_size) % order_.size();
    if (!std::isfinite(run_.step(std::span<const Index>(order_).subspan(begin_, batch_size)))) {
      throw std::runtime_error("the training diverged");
    }
  }

 private:
  Network network_;
  WindowSet windows_ = some_windows();
  freshet::nn::detail::TrainingRun<float> run_;
  std::vector<Index> order_;
  std::size_t begin_ = 0;
};

/// The network of `network` in plain Eigen; throws unless both reconstruct a window alike.
std::shared_ptr<freshet::bench::native::PlainAutoencoder> plain(const Network& network) {
  const auto tensors = network.tensors();
  std::vector<const float*> parameters;
  for (const auto& tensor : tensors) parameters.push_back(tensor.values.data());
  std::shared_ptr<freshet::bench::native::PlainAutoencoder> plain =
      freshet::bench::native::make_plain_autoencoder(
          static_cast<std::size_t>(network.sizes().hidden_size), parameters);
  if (!plain) throw std::runtime_error("plain_eigen_lstm.cpp lacks a hidden size");
  OneWindow windows;
  Workspace workspace;
  std::vector<float> theirs(static_cast<std::size_t>(n_steps));
  for (Index i = 0; i < n_windows; ++i) {
    const auto window = windows.next();
    const float* ours = network.reconstruct(window.data(), n_steps, 1, workspace);
    plain->reconstruct(window, theirs);
    for (std::size_t t = 0; t < theirs.size(); ++t) {
      const float difference =
          std::abs(ours[t * static_cast<std::size_t>(network.output_stride())] - theirs[t]);
      if (!(difference < 1e-5F)) throw std::runtime_error("Eigen's reconstruction differs");
    }
  }
  return plain;
}

std::vector<InstructionSet> supported() {
  std::vector<InstructionSet> sets{InstructionSet::baseline, InstructionSet::avx2,
                                   InstructionSet::avx512};
  std::erase_if(sets, [](InstructionSet set) { return !freshet::nn::is_supported(set); });
  return sets;
}

template <int HiddenSize>
void add_one_window(std::vector<Case>& cases) {
  const std::string prefix = "one/" + std::to_string(HiddenSize) + "/";
  const auto windows = std::make_shared<OneWindow>();
  const auto add = [&](const auto& network, InstructionSet set, const std::string& suffix) {
    cases.push_back({prefix + std::string(to_string(set)) + suffix, 1.0,
                     [windows, network, set] { windows->error(network, set); }});
  };
  const auto network = with_random_weights<Network>(HiddenSize);
  const auto fixed = with_random_weights<FixedNetwork<HiddenSize>>(HiddenSize);
  for (const InstructionSet set : supported()) {
    add(network, set, "");
    add(fixed, set, "/fixed");
  }
  cases.push_back({prefix + "eigen", 1.0,
                   [windows, eigen = plain(network),
                    out = std::vector<float>(static_cast<std::size_t>(n_steps))]() mutable {
                     eigen->reconstruct(windows->next(), out);
                   }});
}

void add_many_windows(std::vector<Case>& cases, Index hidden_size) {
  for (const std::size_t n_threads : {1, 2}) {
    for (const std::size_t chunk_size : {8, 16, 24, 32, 64}) {
      const auto windows = std::make_shared<ManyWindows>(hidden_size, chunk_size, n_threads);
      cases.push_back({"many/" + std::to_string(hidden_size) + "/" + std::to_string(n_threads) +
                           "/" + std::to_string(chunk_size),
                       static_cast<double>(n_windows), [windows] { windows->score(); }});
    }
  }
}

/// The mean time per item of calls for `milliseconds`, in ns.
double mean_ns(const Case& of, double milliseconds) {
  using Clock = std::chrono::steady_clock;
  of.run();
  const auto began = Clock::now();
  double n_calls = 0.0;
  double ns = 0.0;
  while (ns < milliseconds * 1e6) {
    of.run();
    ++n_calls;
    ns = std::chrono::duration<double, std::nano>(Clock::now() - began).count();
  }
  return ns / (n_calls * of.n_items);
}

double number(int argc, char** argv, int at, double otherwise) {
  return argc > at ? std::max(1.0, std::strtod(argv[at], nullptr)) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const auto n_rounds = static_cast<std::size_t>(number(argc, argv, 1, 10.0));
  const double milliseconds = number(argc, argv, 2, 3.0);

  std::vector<Case> cases;
  constexpr std::size_t multiply_add_rounds = 1000;
  cases.push_back({"multiply_add", freshet::bench::native::multiply_adds(1) * multiply_add_rounds,
                   [] { freshet::bench::native::multiply_adds(multiply_add_rounds); }});
  add_one_window<16>(cases);
  add_one_window<32>(cases);
  add_one_window<64>(cases);
  for (const Index hidden_size : {16, 32, 64}) add_many_windows(cases, hidden_size);
  for (const std::size_t n_threads : {1, 2}) {
    cases.push_back({"training/" + std::to_string(n_threads), 1.0,
                     [training = std::make_shared<Training>(n_threads)] { training->step(); }});
  }
  if (argc > 3) {
    std::erase_if(cases, [chosen = std::regex(argv[3])](const Case& one) {
      return !std::regex_search(one.name, chosen);
    });
  }

  std::map<std::string, std::vector<double>> rounds_ns;
  for (std::size_t round = 0; round < n_rounds; ++round) {
    for (const Case& one : cases) rounds_ns[one.name].push_back(mean_ns(one, milliseconds));
  }
  std::cout << nlohmann::ordered_json{{"instruction_set",
                                       to_string(freshet::nn::best_instruction_set())},
                                      {"rounds_ns", rounds_ns}}
                   .dump(2)
            << '\n';
}
