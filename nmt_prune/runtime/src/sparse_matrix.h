#pragma once
#include <memory>

#include "layouts.h"
#include "matrix.h"

namespace nmt_prune {

// Compressed sparse rows, as they are stored.
struct CompressedRows {
  std::int64_t rows, columns;
  const std::int64_t* starts;    // (rows + 1)
  const std::uint32_t* indices;  // ascending within a row
  ValueType type;
  const void* values;
  const float* scales;  // (rows) of int8 values, else null
};

std::unique_ptr<Matrix> sparse_matrix(const CompressedRows& from);

}  // namespace nmt_prune
