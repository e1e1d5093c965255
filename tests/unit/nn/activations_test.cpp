#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "freshet/nn/lstm.hpp"
#include "support/autoencoder_runs.hpp"
#include "support/catch.hpp"

using namespace freshet::test;

namespace {

/// What a step of an LSTM makes of inputs that are the sums of its gates.
template <class Scalar>
struct Gates {
  std::vector<Scalar> input, forget, candidate, output;
};

/// @param at_once  streams beside each other: a single one has a kernel of its own
template <class Scalar>
Gates<Scalar> gates_of(const std::vector<Scalar>& sums, std::size_t at_once,
                       InstructionSet instructions) {
  using Lstm = freshet::nn::Lstm<Scalar>;
  Lstm lstm(1, 1);
  auto tensors = lstm.tensors();
  for (auto& tensor : tensors) tensor.values.setConstant(tensor.name == "weight_ih_l0" ? 1 : 0);
  lstm.set_tensors(tensors);
  Gates<Scalar> gates;
  freshet::nn::detail::Workspace<Scalar> workspace;
  typename Lstm::Tape tape;
  for (std::size_t begin = 0; begin < sums.size(); begin += at_once) {
    const auto n = static_cast<Index>(std::min(at_once, sums.size() - begin));
    workspace.restart(lstm.training_size(1, n));
    lstm.forward_keeping(Lstm::kernels(instructions), sums.data() + begin, 1,
                         Lstm::Input::every_step, 1, n, tape, workspace);
    for (Index stream = 0; stream < n; ++stream) {
      constexpr Index gate = freshet::nn::detail::panel_units<Scalar>;
      const Scalar* kept = tape[0].gates + stream * freshet::nn::detail::panel_width<Scalar>;
      gates.input.push_back(kept[0]);
      gates.forget.push_back(kept[gate]);
      gates.candidate.push_back(kept[2 * gate]);
      gates.output.push_back(kept[3 * gate]);
    }
  }
  return gates;
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double hyperbolic(double x) { return std::tanh(x); }

/// The largest difference; infinite where a value is NaN.
template <class Scalar>
double difference(const std::vector<Scalar>& sums, const std::vector<Scalar>& found,
                  double (*function)(double)) {
  double largest = 0.0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const double right = function(static_cast<double>(sums[i]));
    const double distance = std::abs(static_cast<double>(found[i]) - right);
    if (std::isnan(distance)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, distance);
  }
  return largest;
}

template <class Scalar>
void check(const std::vector<Scalar>& sums, std::size_t at_once, InstructionSet instructions,
           double tolerance) {
  CAPTURE(sizeof(Scalar), at_once, to_string(instructions));
  const Gates<Scalar> gates = gates_of(sums, at_once, instructions);
  CHECK(difference(sums, gates.candidate, hyperbolic) < tolerance);
  CHECK(difference(sums, gates.input, sigmoid) < tolerance);
  // Not within CHECK, which would write out all of them.
  const bool alike = gates.forget == gates.input && gates.output == gates.input;
  CHECK(alike);
}

/// Evenly from -reach to reach, and of every magnitude below it.
template <class Scalar>
std::vector<Scalar> sweep(Scalar reach, int n) {
  std::vector<Scalar> sums;
  for (int i = -n; i <= n; ++i) {
    sums.push_back(reach * static_cast<Scalar>(i) / static_cast<Scalar>(n));
  }
  for (Scalar tiny = reach; tiny > std::numeric_limits<Scalar>::min(); tiny *= Scalar{0.625}) {
    sums.push_back(tiny);
    sums.push_back(-tiny);
  }
  return sums;
}

/// The largest, the least, and what lies about the limits at which arguments are held.
template <class Scalar>
std::vector<Scalar> extremes() {
  using Limits = std::numeric_limits<Scalar>;
  std::vector<Scalar> sums{0};
  for (const double magnitude :
       {7.9, 15.8, 37.0, 88.8, 104.0, 353.9, 354.1, 708.0, 709.8, 745.2, 1e4, 1e30}) {
    sums.push_back(static_cast<Scalar>(magnitude));
    sums.push_back(std::nextafter(sums.back(), Limits::infinity()));
  }
  for (const Scalar one : {Limits::max(), Limits::infinity(), Limits::min(), Limits::denorm_min()})
    sums.push_back(one);
  const std::size_t n = sums.size();
  for (std::size_t i = 0; i < n; ++i) sums.push_back(-sums[i]);
  return sums;
}

constexpr double float_tolerance = 4e-7;
constexpr double double_tolerance = 2e-15;

}  // namespace

TEST_CASE("gates are the standard library's functions") {
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  check(sweep(20.0F, 40000), 4096, instructions, float_tolerance);
  check(sweep(40.0, 40000), 4096, instructions, double_tolerance);
  check(sweep(20.0F, 500), 1, instructions, float_tolerance);
  check(sweep(40.0, 500), 1, instructions, double_tolerance);
}

TEST_CASE("gates saturate at huge sums") {
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  for (const std::size_t at_once : {1, 7}) {
    check(extremes<float>(), at_once, instructions, float_tolerance);
    check(extremes<double>(), at_once, instructions, double_tolerance);
  }
}

TEST_CASE("gates of NaN are NaN, and only these") {
  const InstructionSet instructions = GENERATE(from_range(instruction_sets()));
  const auto check_nan = [&](auto scalar, std::size_t at_once) {
    using Scalar = decltype(scalar);
    CAPTURE(sizeof(Scalar), at_once, to_string(instructions));
    const Scalar nan = std::numeric_limits<Scalar>::quiet_NaN();
    const std::vector<Scalar> sums{1, nan, -nan, 2, nan};
    const Gates<Scalar> gates = gates_of(sums, at_once, instructions);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      CAPTURE(i);
      for (const auto* gate : {&gates.input, &gates.forget, &gates.candidate, &gates.output}) {
        CHECK(std::isnan((*gate)[i]) == std::isnan(sums[i]));
      }
    }
  };
  for (const std::size_t at_once : {1, 5}) {
    check_nan(float{}, at_once);
    check_nan(double{}, at_once);
  }
}
