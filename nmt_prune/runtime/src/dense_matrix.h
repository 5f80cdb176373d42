#pragma once
#include <memory>

#include "matrix.h"

namespace nmt_prune {

std::unique_ptr<Matrix> dense_matrix(const float* values, std::int64_t rows, std::int64_t columns);

// values[r][c] stands for values[r][c] * scales[r].
std::unique_ptr<Matrix> dense_int8_matrix(const std::int8_t* values, const float* scales, std::int64_t rows,
                                          std::int64_t columns);

}  // namespace nmt_prune
