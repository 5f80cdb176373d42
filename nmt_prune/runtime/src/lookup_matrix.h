#pragma once
#include <memory>

#include "sparse_matrix.h"

namespace nmt_prune {

// Sums of so many products of a signed and an unsigned byte fit 32 bits, and numbers of blocks 16.
constexpr std::int64_t most_lookup_columns = 65536;

// From int8 values, with scales.
std::unique_ptr<Matrix> lookup_matrix(const CompressedRows& from);

}  // namespace nmt_prune
