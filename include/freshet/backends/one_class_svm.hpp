#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

#include "freshet/backends/detail/one_class_solver.hpp"
#include "freshet/backends/detail/support_vectors.hpp"
#include "freshet/backends/kernel.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/training_rows.hpp"
#include "freshet/core/validate.hpp"

/// @file
/// One-class support vector machine: how far outside the boundary around the usual rows?

namespace freshet {

struct OneClassSvm;

/// A trained one-class support vector machine: immutable.
class OneClassSvmModel {
 public:
  OneClassSvmModel() = default;

  /// The width of the rows that it scores.
  [[nodiscard]] std::size_t n_features() const noexcept { return vectors_.n_columns(); }
  /// How many training rows a score is held against.
  [[nodiscard]] std::size_t n_support_vectors() const noexcept { return vectors_.size(); }

  /// The raw score of a row of `n_features()` values: below 0 inside of the boundary, above 0
  /// outside, and never above `offset()` with the rbf kernel. O(support vectors · n_features), no
  /// allocation.
  [[nodiscard]] double score(RowView row) const noexcept { return offset_ - vectors_.sum(row); }

  /// Each column's share of the score. What a support vector's kernel lacks to that of an equal row
  /// (for other kernels than rbf: of a product of zero) is shared in proportion to the columns'
  /// parts of the squared distance (the product), and what is left equally. With the linear kernel
  /// that is exact; with others it is our own definition, chosen because the shares sum to the
  /// score.
  void explain(RowView row, std::span<double> contributions) const noexcept {
    std::fill(contributions.begin(), contributions.end(), 0.0);
    const double rest = offset_ - vectors_.split(row, contributions);
    const double equal_part = rest / static_cast<double>(contributions.size());
    for (double& contribution : contributions) contribution = equal_part - contribution;
  }

  /// What a sum of kernels is held against.
  [[nodiscard]] double offset() const noexcept { return offset_; }

  /// The scores of the training rows, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  friend bool operator==(const OneClassSvmModel&, const OneClassSvmModel&) = default;

  /// Reads or writes the model; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(vectors_, offset_, training_scores_);
    archive.require(std::isfinite(offset_), "offset");
  }

 private:
  friend struct OneClassSvm;

  backendsdetail::SupportVectors vectors_;
  double offset_ = 0.0;
  std::vector<double> training_scores_;
};

/// One-class support vector machine: Schölkopf, Platt, Shawe-Taylor, Smola and Williamson,
/// "Estimating the Support of a High-Dimensional Distribution", Neural Computation 13, 2001.
///
/// Draws a smooth boundary around the training rows that leaves about the share `nu` of them
/// outside. The score is the negative of libsvm's decision value, whose formulation this is. It
/// depends on units, since distances do: scale the columns. With the rbf kernel all rows that are
/// far away score alike.
struct OneClassSvm {
  /// What training yields.
  using Model = OneClassSvmModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "one_class_svm";

  /// What it means for two rows to be alike.
  Kernel kernel = Kernel::rbf;
  /// Of the poly kernel: 0 … 100.
  std::size_t degree = 3;
  /// Of the kernels but linear: a number from 0 on, automatic() or scale().
  KernelFactor gamma = KernelFactor::automatic();
  /// Of the poly and sigmoid kernels: a finite number.
  double coef0 = 0.0;
  /// When training ends: the largest violation of the optimality conditions, above 0.
  double tol = 1e-3;
  /// Upper bound of the share of training rows outside, lower bound of that of support vectors:
  /// above 0, up to 1.
  double nu = 0.5;
  /// Steps of training after which the boundary is taken as it is, at least 1; a million if none.
  std::optional<std::size_t> max_iter = std::nullopt;

  /// Throws ConfigurationError when a parameter is out of range.
  void validate() const {
    require_parameter(kernel <= Kernel::sigmoid, "kernel",
                      R"("rbf", "linear", "poly" or "sigmoid")");
    require_parameter(degree <= backendsdetail::KernelFunction::max_degree, "degree",
                      "an integer from 0 to 100");
    require_parameter(gamma.is_valid(), "gamma", R"(a number from 0 on, "auto" or "scale")");
    require_parameter(acceptable(coef0), "coef0", "a finite number");
    require_parameter(tol > 0.0 && std::isfinite(tol), "tol", "a number above 0");
    require_parameter(nu > 0.0 && nu <= 1.0, "nu", "a number above 0 and up to 1");
    require_parameter(!max_iter || *max_iter >= 1, "max_iter", "an integer of at least 1, or none");
  }

  /// Trains on `rows` (n_rows × n_features, at least one row, finite); nothing is random.
  /// O(n_rows² · n_features) for the kernels and O(n_rows) per step, of which there are about as
  /// many as rows; up to 200 MB of kernels are kept meanwhile.
  /// Throws FitError when there are no rows, or once `stop` is requested, which every step asks.
  [[nodiscard]] OneClassSvmModel fit(MatrixView rows, Seed seed = 0,
                                     const std::stop_token& stop = {}) const;

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("kernel", kernel);
    visitor("degree", degree);
    visitor("gamma", gamma);
    visitor("coef0", coef0);
    visitor("tol", tol);
    visitor("nu", nu);
    visitor("max_iter", max_iter);
  }

  friend bool operator==(const OneClassSvm&, const OneClassSvm&) = default;
};

namespace backendsdetail {

/// What the factor is for these rows.
[[nodiscard]] inline double resolve(KernelFactor gamma, MatrixView rows) noexcept {
  const auto n_columns = static_cast<double>(rows.n_columns());
  if (gamma.is_automatic()) return 1.0 / n_columns;
  if (!gamma.is_scale()) return gamma.value();
  const double n_values = n_columns * static_cast<double>(rows.n_rows());
  double mean = 0.0;
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    for (const double value : rows.row(i)) mean += value / n_values;
  }
  double variance = 0.0;
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    for (const double value : rows.row(i)) variance += (value - mean) * (value - mean) / n_values;
  }
  const double factor = 1.0 / (n_columns * variance);
  return std::isfinite(factor) ? factor : 1.0;  // as scikit-learn, where nothing varies
}

}  // namespace backendsdetail

inline OneClassSvmModel OneClassSvm::fit(MatrixView rows, Seed /*seed*/,
                                         const std::stop_token& stop) const {
  validate();
  require_training_rows(rows);
  const backendsdetail::KernelFunction function{kernel, backendsdetail::resolve(gamma, rows), coef0,
                                                degree};
  const backendsdetail::OneClassSolution solution =
      backendsdetail::OneClassSolver(rows, function, nu)
          .solve(tol, max_iter.value_or(1'000'000), stop);
  OneClassSvmModel model;
  model.offset_ = solution.offset;
  model.vectors_ = {function, rows.n_columns()};
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    if (solution.coefficients[i] > 0.0) model.vectors_.add(rows.row(i), solution.coefficients[i]);
  }
  model.training_scores_ = scores_of(model, rows);
  return model;
}

}  // namespace freshet
