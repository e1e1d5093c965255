#include "freshet/core/eigen.hpp"

#include "support/catch.hpp"

TEST_CASE("Eigen matrices are seen without a copy, and back") {
  freshet::RowMajorMatrix matrix(3, 2);
  matrix << 1, 2, 3, 4, 5, 6;
  const freshet::MatrixView view = freshet::as_view(matrix);
  CHECK(view.data() == matrix.data());
  CHECK(view.n_rows() == 3);
  CHECK(view(2, 1) == 6.0);

  const auto block = matrix.rightCols(1);
  const freshet::MatrixView column = freshet::as_view(block);
  CHECK(column.data() == matrix.data() + 1);
  CHECK(column.n_columns() == 1);
  CHECK(column(1, 0) == 4.0);

  CHECK((freshet::as_eigen(view) - matrix).norm() == 0.0);
  // Overlapping rows, as of a shingle.
  CHECK(freshet::as_eigen(view.shingled(2)).rows() == 2);
  CHECK(freshet::as_eigen(view.shingled(2))(1, 3) == 6.0);

  const Eigen::VectorXd column_vector = Eigen::VectorXd::LinSpaced(3, 1.0, 3.0);
  CHECK(freshet::as_view(column_vector).n_rows() == 3);
  CHECK(freshet::as_view(column_vector)(2, 0) == 3.0);

  const Eigen::VectorXd vector = Eigen::VectorXd::LinSpaced(4, 0.0, 3.0);
  CHECK(freshet::as_row(vector).data() == vector.data());
  CHECK(freshet::as_row(vector)[3] == 3.0);
}
