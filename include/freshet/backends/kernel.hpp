#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

/// @file
/// What it means for two rows to be alike.

namespace freshet {

/// How alike two rows x and s are.
enum class Kernel : std::uint8_t {
  rbf,      ///< exp(-gamma · |x − s|²)
  linear,   ///< x · s
  poly,     ///< (gamma · x · s + coef0)^degree
  sigmoid,  ///< tanh(gamma · x · s + coef0)
};

/// The name used in configurations, as in scikit-learn: "rbf", "linear", "poly" or "sigmoid".
[[nodiscard]] constexpr std::string_view to_string(Kernel kernel) noexcept {
  switch (kernel) {
    case Kernel::linear:
      return "linear";
    case Kernel::poly:
      return "poly";
    case Kernel::sigmoid:
      return "sigmoid";
    case Kernel::rbf:
      break;
  }
  return "rbf";
}

/// The factor of a kernel: a number, or what is chosen for the training rows.
class KernelFactor {
 public:
  /// A number from 0 on.
  // So that `OneClassSvm{.gamma = 0.5}` can be written.
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr KernelFactor(double gamma) noexcept : gamma_(gamma) {}

  /// 1 / columns.
  [[nodiscard]] static constexpr KernelFactor automatic() noexcept {
    return KernelFactor(Choice::automatic);
  }
  /// 1 / (columns · the variance of all values), which does not depend on a unit common to all.
  [[nodiscard]] static constexpr KernelFactor scale() noexcept {
    return KernelFactor(Choice::scale);
  }

  /// Whether it is automatic().
  [[nodiscard]] constexpr bool is_automatic() const noexcept {
    return choice_ == Choice::automatic;
  }
  /// Whether it is scale().
  [[nodiscard]] constexpr bool is_scale() const noexcept { return choice_ == Choice::scale; }
  /// The number; only when it is one.
  [[nodiscard]] constexpr double value() const noexcept { return gamma_; }
  /// Whether it is one of the two, or a number from 0 on.
  [[nodiscard]] bool is_valid() const noexcept {
    return choice_ <= Choice::scale && gamma_ >= 0.0 && std::isfinite(gamma_);
  }

  friend constexpr bool operator==(KernelFactor, KernelFactor) = default;

  /// Reads or writes the factor; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(choice_, gamma_);
  }

 private:
  enum class Choice : std::uint8_t { number, automatic, scale };
  constexpr explicit KernelFactor(Choice choice) noexcept : choice_(choice) {}

  Choice choice_ = Choice::number;
  double gamma_ = 0.0;
};

}  // namespace freshet
