// Blocks of int8 weights times tokens that are quantized as for dense products: the same products, without the empty
// blocks.
#pragma once
#include "../layouts.h"
#include "int8_inputs.h"
#include "int8_outputs.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

#if defined(__AVX512BW__)

// A block is half of a register, and two halves per cycle are as fast as a whole one.
typedef __m256i RowSums;
typedef __m256i BlockWeights;
constexpr int vectors_of_block = 1;
NMT_PRUNE_INLINE RowSums no_row_sums() { return _mm256_setzero_si256(); }
NMT_PRUNE_INLINE BlockWeights block_at(const std::int8_t* at) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(at));
}
NMT_PRUNE_INLINE RowSums add_block(RowSums sums, BlockWeights weights, const Quantized* x) {
  std::int32_t four;
  std::memcpy(&four, x, sizeof four);
#if defined(__AVX512VNNI__)
  return _mm256_dpbusd_epi32(sums, _mm256_set1_epi32(four), weights);
#else
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi32(four), weights);
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
}
NMT_PRUNE_INLINE RowSums add_two_blocks(RowSums sums, BlockWeights a, const Quantized* x, BlockWeights b,
                                        const Quantized* y) {
  return add_block(add_block(sums, a, x), b, y);
}
NMT_PRUNE_INLINE RowSums add_sums(RowSums a, RowSums b) { return _mm256_add_epi32(a, b); }

#else

typedef Sums RowSums;
typedef Weights BlockWeights;
constexpr int vectors_of_block = block_rows / dot_lanes;
NMT_PRUNE_INLINE RowSums no_row_sums() { return no_sums(); }
NMT_PRUNE_INLINE BlockWeights block_at(const std::int8_t* at) { return weights_at(at); }
NMT_PRUNE_INLINE RowSums add_block(RowSums sums, BlockWeights weights, const Quantized* x) {
  return add_dots(sums, weights, x);
}
NMT_PRUNE_INLINE RowSums add_two_blocks(RowSums sums, BlockWeights a, const Quantized* x, BlockWeights b,
                                        const Quantized* y) {
  return add_dots_of_pair(sums, a, x, b, y);
}

#endif

// Tokens that one pass over a panel's blocks serves, at most: their sums stay in registers.
#if defined(__AVX512BW__)
constexpr std::int64_t most_tokens_of_blocks = 16;
#elif defined(__AVX2__) || defined(__ARM_FEATURE_DOTPROD)
constexpr std::int64_t most_tokens_of_blocks = 12;
#else
constexpr std::int64_t most_tokens_of_blocks = 4;
#endif

// Where dot products wait for their sums, blocks of few tokens take turns with several sums.
template <int Tokens>
constexpr int block_turns = adds_dots_slowly && Tokens <= 2 ? 2 : 1;

// Adds the products of one block.
template <int Tokens>
NMT_PRUNE_INLINE void add_block_at(const BlockLayout& weights, std::size_t block, const Quantized* x,
                                   RowSums (&sums)[Tokens][vectors_of_block]) {
  const std::int8_t* bytes = weights.values + block * block_bytes;
  const Quantized* inputs = x + static_cast<std::size_t>(weights.fours[block]) * (4 * Tokens);
  prefetch(bytes + prefetched_bytes);
  BlockWeights rows[vectors_of_block];
  NMT_PRUNE_UNROLL
  for (int v = 0; v < vectors_of_block; ++v) rows[v] = block_at(bytes + v * (block_bytes / vectors_of_block));
  NMT_PRUNE_UNROLL
  for (int t = 0; t < Tokens; ++t) {
    NMT_PRUNE_UNROLL
    for (int v = 0; v < vectors_of_block; ++v) {
      sums[t][v] = add_block(sums[t][v], rows[v], inputs + 4 * t);
      finish_product(sums[t][v]);
    }
  }
}

// The sums of one panel's rows.
template <int Tokens>
NMT_PRUNE_INLINE void sum_blocks(const BlockLayout& weights, std::int64_t panel, const Quantized* x,
                                 std::int32_t (*lanes)[block_rows]) {
  constexpr int turns = block_turns<Tokens>;
  RowSums sums[turns][Tokens][vectors_of_block];
  NMT_PRUNE_UNROLL
  for (int turn = 0; turn < turns; ++turn) {
    NMT_PRUNE_UNROLL
    for (int t = 0; t < Tokens; ++t) {
      NMT_PRUNE_UNROLL
      for (int v = 0; v < vectors_of_block; ++v) sums[turn][t][v] = no_row_sums();
    }
  }
  std::size_t block = weights.starts[panel];
  const std::size_t last = weights.starts[panel + 1];
  if constexpr (adds_pairs) {
    for (const std::size_t last_pair = block + weights.paired[panel]; block < last_pair; block += 2) {
      const std::int8_t* bytes = weights.values + block * block_bytes;
      const Quantized* of_one = x + static_cast<std::size_t>(weights.fours[block]) * (4 * Tokens);
      const Quantized* of_other = x + static_cast<std::size_t>(weights.fours[block + 1]) * (4 * Tokens);
      prefetch(bytes + prefetched_bytes);
      BlockWeights one[vectors_of_block], other[vectors_of_block];
      NMT_PRUNE_UNROLL
      for (int v = 0; v < vectors_of_block; ++v) {
        one[v] = block_at(bytes + v * (block_bytes / vectors_of_block));
        other[v] = block_at(bytes + block_bytes + v * (block_bytes / vectors_of_block));
      }
      NMT_PRUNE_UNROLL
      for (int t = 0; t < Tokens; ++t) {
        NMT_PRUNE_UNROLL
        for (int v = 0; v < vectors_of_block; ++v) {
          sums[0][t][v] = add_two_blocks(sums[0][t][v], one[v], of_one + 4 * t, other[v], of_other + 4 * t);
          finish_product(sums[0][t][v]);
        }
      }
    }
  }
  if constexpr (turns > 1) {
    for (; block + turns <= last; block += turns) {
      NMT_PRUNE_UNROLL
      for (int turn = 0; turn < turns; ++turn) add_block_at<Tokens>(weights, block + turn, x, sums[turn]);
    }
    NMT_PRUNE_UNROLL
    for (int turn = 1; turn < turns; ++turn) {
      NMT_PRUNE_UNROLL
      for (int t = 0; t < Tokens; ++t) {
        NMT_PRUNE_UNROLL
        for (int v = 0; v < vectors_of_block; ++v) sums[0][t][v] = add_sums(sums[0][t][v], sums[turn][t][v]);
      }
    }
  }
  for (; block < last; ++block) add_block_at<Tokens>(weights, block, x, sums[0]);
  NMT_PRUNE_UNROLL
  for (int t = 0; t < Tokens; ++t) {
    NMT_PRUNE_UNROLL
    for (int v = 0; v < vectors_of_block; ++v)  // all at once as wide as a register would keep them in memory
      std::memcpy(lanes[t] + v * (block_rows / vectors_of_block), &sums[0][t][v], sizeof(RowSums));
  }
}

// Panels whose sums are finished together: those of one token take as long to call as to finish.
template <int Tokens>
constexpr std::int64_t panels_at_once = Tokens == 1 ? 8 : 1;

template <int Tokens>
void block_tokens(const BlockLayout& weights, const Int8Job& job, std::int64_t panel, std::int64_t panels,
                  const Quantized* x, const float* scales, float* output) {
  alignas(64) std::int32_t lanes[panels_at_once<Tokens> * Tokens][block_rows];
  for (std::int64_t i = 0; i < panels; ++i) sum_blocks<Tokens>(weights, panel + i, x, lanes + i * Tokens);
  const std::int64_t row = panel * block_rows;
  finish_int8<Tokens>(job, lanes, row, weights.rows - row, scales, output, panels);
}

// So many tokens, at most Tokens.
template <int Tokens>
void block_pass(const BlockLayout& weights, const Int8Job& job, std::int64_t panel, std::int64_t panels,
                const Quantized* x, const float* scales, std::int64_t tokens, float* output) {
  if (tokens == Tokens) return block_tokens<Tokens>(weights, job, panel, panels, x, scales, output);
  if constexpr (Tokens > 1) block_pass<Tokens - 1>(weights, job, panel, panels, x, scales, tokens, output);
}

void blocks(const BlockLayout& weights, const void* quantized, const float* scales, std::int64_t tokens,
            const float* bias, bool relu, float* output) {
  constexpr std::int64_t most = most_tokens_of_blocks;
  const Int8Job job{weights.rows, weights.scales, weights.totals, bias, relu};
  const Quantized* x = static_cast<const Quantized*>(quantized);
  const std::int64_t stride = weights.columns4 * 4, tile = int8_tile(tokens, most);
  const std::int64_t step = tokens == 1 ? panels_at_once<1> : 1;
  for (std::int64_t panel = 0; panel < weights.panels; panel += step) {
    const std::int64_t left = weights.panels - panel, panels = left < step ? left : step;
    for (std::int64_t t = 0; t < tokens; t += tile)
      block_pass<most>(weights, job, panel, panels, x + t * stride, scales + t, tokens - t < tile ? tokens - t : tile,
                       output + t * weights.rows);
  }
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
