#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "freshet/backends/detail/chi_squared.hpp"
#include "freshet/backends/detail/minimum_covariance.hpp"
#include "freshet/backends/detail/whitening.hpp"
#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/core/training_rows.hpp"
#include "freshet/core/validate.hpp"

/// @file
/// MCD: how far from the centre of the tightest half of the rows, in units of its covariance?

namespace freshet {

struct Mcd;

/// A trained MCD: immutable.
class McdModel {
 public:
  McdModel() = default;

  /// The width of the rows that it scores.
  [[nodiscard]] std::size_t n_features() const noexcept { return whitening_.n_columns(); }

  /// The squared robust Mahalanobis distance of a row of `n_features()` values. O(n_features²), no
  /// allocation.
  [[nodiscard]] double score(RowView row) const noexcept {
    return whitening_.squared_distance(row);
  }

  /// Each column's part of the score: its deviation times that of what the other columns let expect
  /// of it, both in units of the covariance. Exact; below 0 for a column that makes the deviation
  /// of the others less strange.
  void explain(RowView row, std::span<double> contributions) const noexcept {
    whitening_.explain(row, contributions);
  }

  /// The robust centre of each column.
  [[nodiscard]] std::span<const double> location() const noexcept { return whitening_.location(); }
  /// The robust covariance, n_features × n_features.
  [[nodiscard]] const Matrix& covariance() const noexcept { return covariance_; }
  /// Its generalized inverse, which is the inverse if there is one.
  [[nodiscard]] Matrix precision() const { return whitening_.precision(); }

  /// The scores of the training rows, in their order.
  [[nodiscard]] std::span<const double> training_scores() const noexcept {
    return training_scores_;
  }

  friend bool operator==(const McdModel&, const McdModel&) = default;

  /// Reads or writes the model; see io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(whitening_, covariance_, training_scores_);
    archive.require(covariance_.n_rows() == n_features() &&
                        covariance_.n_columns() == n_features() && all_finite(covariance_),
                    "covariance");
  }

 private:
  friend struct Mcd;

  backendsdetail::Whitening whitening_;
  Matrix covariance_;
  std::vector<double> training_scores_;
};

/// Minimum covariance determinant: Rousseeuw and Van Driessen, "A Fast Algorithm for the Minimum
/// Covariance Determinant Estimator", Technometrics 41, 1999.
///
/// Looks for the half of the rows whose covariance has the smallest determinant, so that outliers
/// have no say in it, then takes location and covariance of all rows that are near to it, both
/// made consistent with normal rows as scikit-learn does. The score is the squared Mahalanobis
/// distance; of normal rows without outliers it is distributed as chi-squared. It does not depend
/// on units, sees combinations of columns, and knows how far out a row is.
///
/// A column that does not vary, or that others determine, adds nothing to a score, as with a
/// pseudo-inverse: a change of it is not seen. Wants several times more rows than columns.
struct Mcd {
  /// What training yields.
  using Model = McdModel;
  /// The identifier in configurations.
  static constexpr std::string_view name = "mcd";

  /// Whether the data is centred at zero: then only the covariance is estimated.
  bool assume_centered = false;
  /// The share of the rows in the tightest part, above 0 and up to 1; by default (rows + columns +
  /// 1) / 2 of them, which withstands the most outliers.
  std::optional<double> support_fraction = std::nullopt;

  /// Throws ConfigurationError when a parameter is out of range.
  void validate() const {
    require_parameter(!support_fraction || (*support_fraction > 0.0 && *support_fraction <= 1.0),
                      "support_fraction", "a number above 0 and up to 1, or none");
  }

  /// Trains on `rows` (n_rows × n_features, at least one row, finite): the same on every platform
  /// for a seed. O(rows · n_features² + n_features³), several hundred times.
  /// @throws FitError when there are no rows
  [[nodiscard]] McdModel fit(MatrixView rows, Seed seed = 0) const;

  /// Calls `visitor(name, parameter)` for every parameter.
  template <class Visitor>
  void visit_fields(Visitor&& visitor) {
    visitor("assume_centered", assume_centered);
    visitor("support_fraction", support_fraction);
  }

  friend bool operator==(const Mcd&, const Mcd&) = default;
};

namespace backendsdetail {

/// The scatter of all rows that are not far from the tightest part of them, consistent with that of
/// normal rows: scikit-learn's correction and reweighting.
[[nodiscard]] inline Scatter robust_scatter(MatrixView rows, std::size_t n_support, bool about_zero,
                                            Seed seed) {
  Scatter raw = FastMcd(rows, seed).search(n_support);
  if (about_zero) raw = scatter_of(rows, std::move(raw.members), true);
  const std::size_t n = rows.n_columns();
  const double supported = static_cast<double>(n_support) / static_cast<double>(rows.n_rows());
  constexpr double share = 0.975;  // of normal rows, that are not far
  const double far = chi_squared_quantile(share, n) * consistency_factor(supported, n);
  Members members;
  for (std::uint32_t i = 0; i < rows.n_rows(); ++i) {
    if (raw.whitening.squared_distance(rows.row(i)) < far) members.push_back(i);
  }
  // Of one column the middle may lie beside all rows of the tightest part, where they are the same.
  if (members.empty()) members = std::move(raw.members);
  Scatter result = scatter_of(rows, std::move(members), about_zero);
  const double factor = consistency_factor(share, n);
  for (std::size_t j = 0; j < n; ++j) {
    for (double& value : result.covariance.row(j)) value *= factor;
  }
  return result;
}

}  // namespace backendsdetail

inline McdModel Mcd::fit(MatrixView rows, Seed seed) const {
  validate();
  require_training_rows(rows);
  const std::size_t n_rows = rows.n_rows();
  std::vector<std::size_t> varying;
  for (std::size_t j = 0; j < rows.n_columns(); ++j) {
    std::size_t i = 1;
    while (i < n_rows && rows(i, j) == rows(0, j)) ++i;
    if (i < n_rows) varying.push_back(j);
  }
  const std::size_t n = varying.size();
  McdModel model;
  model.covariance_ = Matrix(rows.n_columns(), rows.n_columns());
  std::vector<double> location(rows.row(0).begin(), rows.row(0).end());
  if (n > 0) {
    Matrix compact(n_rows, n);
    for (std::size_t i = 0; i < n_rows; ++i) {
      for (std::size_t j = 0; j < n; ++j) compact(i, j) = rows(i, varying[j]);
    }
    std::size_t n_support = std::min((n_rows + n + 2) / 2, n_rows);
    if (support_fraction) {
      const double wanted = *support_fraction * static_cast<double>(n_rows);
      n_support = std::max<std::size_t>(static_cast<std::size_t>(wanted), 1);
    }
    const auto scatter = backendsdetail::robust_scatter(compact, n_support, assume_centered, seed);
    for (std::size_t j = 0; j < n; ++j) {
      location[varying[j]] = scatter.whitening.location()[j];
      for (std::size_t k = 0; k < n; ++k) {
        model.covariance_(varying[j], varying[k]) = scatter.covariance(j, k);
      }
    }
  }
  model.whitening_ = backendsdetail::Whitening(std::move(location), model.covariance_);
  model.training_scores_ = scores_of(model, rows);
  return model;
}

}  // namespace freshet
