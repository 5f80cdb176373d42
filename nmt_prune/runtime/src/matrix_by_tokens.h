#pragma once
#include <memory>

#include "matrix.h"

namespace nmt_prune {

// One weight in two forms of the same shape: few multiplies up to limit tokens, many multiplies more. Both must outlive
// what is returned.
std::unique_ptr<Matrix> matrix_by_tokens(const Matrix& few, std::int64_t limit, const Matrix& many);

// The same, of forms that nobody else has.
std::unique_ptr<Matrix> matrix_by_tokens(std::unique_ptr<Matrix> few, std::int64_t limit, std::unique_ptr<Matrix> many);

}  // namespace nmt_prune
