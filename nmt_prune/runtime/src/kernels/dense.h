// Dense float32 weights: a block of tokens times a panel of rows stays in registers.
#pragma once
#include "../layouts.h"
#include "simd.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// Tokens x (Vectors * widest) rows of one panel.
template <int Tokens, int Vectors>
NMT_PRUNE_INLINE void dense_block(const float* weights, const float* input, std::int64_t columns,
                                  Floats<widest> (&sums)[Tokens][Vectors]) {
  for (std::int64_t column = 0; column < columns; ++column) {
    const float* at = weights + column * panel_rows;
    NMT_PRUNE_UNROLL
    for (int line = 0; line < Vectors * widest; line += 16) prefetch(at + prefetched_bytes / 4 * 2 + line);
    Floats<widest> weight[Vectors];
    NMT_PRUNE_UNROLL
    for (int v = 0; v < Vectors; ++v) weight[v] = load<widest>(at + v * widest);
    NMT_PRUNE_UNROLL
    for (int t = 0; t < Tokens; ++t) {
      const Floats<widest> x = broadcast<widest>(input[t * columns + column]);
      NMT_PRUNE_UNROLL
      for (int v = 0; v < Vectors; ++v) sums[t][v] += weight[v] * x;
    }
  }
}

// Bias, ReLU and a store of as many rows as there are.
void finish_rows(const float* sums, std::int64_t count, const float* bias, bool relu, float* output) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float sum = bias ? sums[i] + bias[i] : sums[i];
    output[i] = relu && sum < 0.0f ? 0.0f : sum;
  }
}

template <int Tokens, int Vectors>
void dense_tokens(const DenseLayout& weights, std::int64_t panel, const float* input, const float* bias, bool relu,
                  float* output) {
  for (int part = 0; part < panel_rows; part += Vectors * widest) {
    const std::int64_t row = panel * panel_rows + part, count = weights.rows - row;
    if (count <= 0) return;
    Floats<widest> sums[Tokens][Vectors] = {};
    dense_block<Tokens, Vectors>(weights.values + panel * weights.columns * panel_rows + part, input, weights.columns,
                                 sums);
    alignas(64) float lanes[Tokens][Vectors * widest];
    std::memcpy(lanes, sums, sizeof lanes);
    for (int t = 0; t < Tokens; ++t)
      finish_rows(lanes[t], count < Vectors * widest ? count : Vectors * widest, bias ? bias + row : nullptr, relu,
                  output + t * weights.rows + row);
  }
}

// A block of tokens keeps the registers busy; what is left after the last block has kernels of its own.
#if defined(__AVX512F__)
constexpr int token_block = 12, block_vectors = 2;
#elif defined(__AVX2__)
constexpr int token_block = 6, block_vectors = 2;
#elif defined(__ARM_NEON)
constexpr int token_block = 6, block_vectors = 4;
#else
constexpr int token_block = 4, block_vectors = 2;
#endif

template <int Tokens>
void dense_tail(const DenseLayout& weights, std::int64_t panel, const float* input, std::int64_t tokens,
                const float* bias, bool relu, float* output) {
  if (tokens == Tokens) return dense_tokens<Tokens, block_vectors>(weights, panel, input, bias, relu, output);
  if constexpr (Tokens > 1) dense_tail<Tokens - 1>(weights, panel, input, tokens, bias, relu, output);
}

void dense(const DenseLayout& weights, const float* input, std::int64_t tokens, const float* bias, bool relu,
           float* output) {
  for (std::int64_t panel = 0; panel < weights.panels; ++panel) {
    std::int64_t token = 0;
    for (; token + token_block <= tokens; token += token_block)
      dense_tokens<token_block, block_vectors>(weights, panel, input + token * weights.columns, bias, relu,
                                               output + token * weights.rows);
    if (token < tokens)
      dense_tail<token_block - 1>(weights, panel, input + token * weights.columns, tokens - token, bias, relu,
                                  output + token * weights.rows);
  }
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
