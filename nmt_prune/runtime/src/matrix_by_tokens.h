#pragma once
#include <memory>

#include "matrix.h"

namespace nmt_prune {

// One weight in two forms of the same shape: few multiplies up to limit tokens, many multiplies more. Both must outlive
// what is returned.
std::unique_ptr<Matrix> matrix_by_tokens(const Matrix& few, std::int64_t limit, const Matrix& many);

}  // namespace nmt_prune
