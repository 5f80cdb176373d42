#pragma once
#include <memory>

#include "sparse_matrix.h"

namespace nmt_prune {

// Of int8 values: the blocks of rows and columns that are not empty, whole.
std::unique_ptr<Matrix> block_matrix(const CompressedRows& from);

}  // namespace nmt_prune
