#pragma once
#include <cstdint>
#include <limits>
#include <memory>

#include "matrix.h"

namespace nmt_prune {

std::unique_ptr<Matrix> dense_matrix(const float* values, std::int64_t rows, std::int64_t columns);

// values[r][c] stands for values[r][c] * scales[r]. tokens: the most that it will be multiplied with, if not for good.
std::unique_ptr<Matrix> dense_int8_matrix(const std::int8_t* values, const float* scales, std::int64_t rows,
                                          std::int64_t columns,
                                          std::int64_t tokens = std::numeric_limits<std::int64_t>::max());

}  // namespace nmt_prune
