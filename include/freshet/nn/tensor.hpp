#pragma once

#include <cstddef>
#include <string>

#include <Eigen/Core>

#include "freshet/core/error.hpp"

/// @file
/// Parameters as they go in and out: Eigen matrices in PyTorch's layout.

namespace freshet::nn {

/// Sizes and positions, signed as Eigen's are.
using Index = std::ptrdiff_t;

/// A parameter: a matrix row by row, or a vector as a single column.
template <class Scalar>
using Tensor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic,
                             // NOLINTNEXTLINE(*-signed-bitwise): how Eigen spells its options
                             Eigen::RowMajor | Eigen::AutoAlign>;

/// A parameter with the name that PyTorch's state dict has for it.
template <class Scalar>
struct NamedTensor {
  std::string name;  ///< For example "encoder.weight_ih_l0".
  /// The values, and their shape.
  Tensor<Scalar> values;
  bool is_vector = false;  ///< Whether PyTorch has it as a vector.
};

/// Throws ModelFileError (file_mismatch) unless `tensor` is n_rows × n_columns.
template <class Scalar>
void require_shape(const std::string& name, const Tensor<Scalar>& tensor, Index n_rows,
                   Index n_columns) {
  if (tensor.rows() == n_rows && tensor.cols() == n_columns) return;
  const auto shape = [](Index rows, Index columns) {
    // Appended to, since GCC 12 warns of `"(" + std::string` where it is inlined.
    std::string text = "(";
    text += std::to_string(rows);
    text += ", ";
    text += std::to_string(columns);
    return text + ")";
  };
  const std::string expected = "the shape " + shape(n_rows, n_columns);
  throw ModelFileError(
      ErrorCode::file_mismatch,
      name + " has the shape " + shape(tensor.rows(), tensor.cols()) + ": expected " + expected,
      name, expected);
}

}  // namespace freshet::nn
