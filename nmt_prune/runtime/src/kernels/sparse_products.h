// The kernels of sparse products, by type of the values and size of the tile.
#pragma once
#include "sparse.h"
#include "tiles.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

void transpose(const float* input, std::int64_t tokens, std::int64_t columns, std::int64_t stride, int tile,
               float* transposed) {
  if (tile % widest == 0)
    transpose_tile<widest>(input, tokens, columns, stride, tile, transposed);
#if defined(__AVX512F__)
  else
    transpose_tile<8>(input, tokens, columns, stride, tile, transposed);
#endif
}

int sparse_tile(std::int64_t tokens) {
#if defined(__AVX512F__)
  return tokens <= 8 ? 8 : 16;  // 32 were slower: inputs of 512 columns leave a first-level cache
#elif defined(__AVX2__)
  return tokens <= 8 ? 8 : tokens <= 16 ? 16 : 24;
#elif defined(__ARM_NEON)
  return tokens <= 4 ? 4 : tokens <= 8 ? 8 : 16;
#else
  return tokens <= 4 ? 4 : 8;
#endif
}

void sparse_window(const SparseLayout& weights, std::int64_t window, const float* x, int tile, float* sums) {
  const bool blocks = weights.block > 1;
  switch (weights.type) {
    case ValueType::float32:
      return blocks ? sum_window_of_tile<float, 4>(weights, window, x, tile, sums)
                    : sum_window_of_tile<float, 1>(weights, window, x, tile, sums);
    case ValueType::float16:
      return blocks ? sum_window_of_tile<std::uint16_t, 4>(weights, window, x, tile, sums)
                    : sum_window_of_tile<std::uint16_t, 1>(weights, window, x, tile, sums);
    case ValueType::int8:
      return blocks ? sum_window_of_tile<std::int8_t, 4>(weights, window, x, tile, sums)
                    : sum_window_of_tile<std::int8_t, 1>(weights, window, x, tile, sums);
  }
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
