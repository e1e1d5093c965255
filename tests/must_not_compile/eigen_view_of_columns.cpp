// expect: constraint|EigenRows
// A view of a matrix that Eigen keeps column by column would have to copy, and then dangle.
#include "freshet/core/eigen.hpp"

#ifdef FRESHET_VALID
using Matrix = freshet::RowMajorMatrix;
#else
using Matrix = Eigen::MatrixXd;
#endif

freshet::MatrixView view(const Matrix& matrix) { return freshet::as_view(matrix); }
