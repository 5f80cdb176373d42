// Dense int8 weights times tokens that are quantized on the fly.
#pragma once
#include "../layouts.h"
#include "int8_inputs.h"
#include "int8_outputs.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// Tokens that one pass over a panel's weights serves, at most.
#if defined(__AVX512F__)
constexpr std::int64_t int8_block = 12;
#elif defined(__AVXVNNI__) || defined(__ARM_FEATURE_DOTPROD)
constexpr std::int64_t int8_block = 6;
#elif defined(__AVX2__)
constexpr std::int64_t int8_block = 5;  // the weights of a pair are in registers too
#else
constexpr std::int64_t int8_block = 4;
#endif
std::int64_t int8_most(std::int64_t) { return int8_block; }

// Registers of rows in such a pass: sums, weights and products fill all registers that there are. Few tokens wait for
// the weights, which are read in the order in which they lie where a pass takes all rows of a panel.
#if defined(__ARM_FEATURE_DOTPROD)
template <int Tokens>
constexpr int int8_vectors = Tokens <= 2 ? panel_rows / dot_lanes : 4;
#elif defined(__AVX2__)
template <int Tokens>
constexpr int int8_vectors = Tokens <= 2 ? panel_rows / dot_lanes : 2;
#else
template <int Tokens>
constexpr int int8_vectors = 2;
#endif

template <int Tokens>
void int8_tokens(const DenseInt8Layout& dense, const Int8Job& job, std::int64_t panel, const Quantized* x,
                 const float* scales, float* output) {
  constexpr int vectors = int8_vectors<Tokens>;
  const std::int64_t columns4 = dense.columns4;
  for (int part = 0; part < panel_rows; part += vectors * dot_lanes) {
    const std::int64_t row = panel * panel_rows + part, left = dense.rows - row;
    if (left <= 0) return;
    const std::int8_t* bytes = dense.values + (panel * columns4 * panel_rows + part) * 4;
    Sums sums[Tokens][vectors];
    for (auto& token : sums)
      for (Sums& sum : token) sum = no_sums();
    for (std::int64_t four = 0; four < columns4; ++four, bytes += panel_rows * 4) {
      NMT_PRUNE_UNROLL
      for (int line = 0; line < vectors * dot_lanes * 4; line += 64) prefetch(bytes + 2 * prefetched_bytes + line);
      Weights weights[vectors];
      NMT_PRUNE_UNROLL
      for (int v = 0; v < vectors; ++v) weights[v] = weights_at(bytes + v * dot_lanes * 4);
      NMT_PRUNE_UNROLL
      for (int t = 0; t < Tokens; ++t) {
        NMT_PRUNE_UNROLL
        for (int v = 0; v < vectors; ++v)
          sums[t][v] = add_dots(sums[t][v], weights[v], x + (four * Tokens + t) * 4);
      }
    }
    alignas(64) std::int32_t lanes[Tokens][vectors * dot_lanes];
    std::memcpy(lanes, sums, sizeof lanes);
    finish_int8<Tokens>(job, lanes, row, left, scales, output);
  }
}

// The same in the order of the layout's fours, of which most come in pairs.
template <int Tokens>
void int8_tokens_by_pairs(const DenseInt8Layout& dense, const Int8Job& job, std::int64_t panel, const Quantized* x,
                          const float* scales, float* output) {
  constexpr int vectors = int8_vectors<Tokens>, rows = vectors * dot_lanes;
  constexpr int halves = rows > half_rows ? rows / half_rows : 1;
  constexpr std::int64_t stride = panel_rows * 4;
  for (int part = 0; part < panel_rows; part += rows) {
    const std::int64_t row = panel * panel_rows + part, left = dense.rows - row;
    if (left <= 0) return;
    const std::int8_t* bytes = dense.values + panel * dense.columns4 * stride + part * 4;
    const std::uint16_t* fours = dense.fours + panel * dense.columns4 * 2 + part / half_rows;
    const std::uint16_t* of_halves = dense.paired + row / half_rows;
    std::int64_t paired = of_halves[0];
    for (int half = 1; half < halves; ++half) paired = of_halves[half] < paired ? of_halves[half] : paired;
    const std::int8_t *last_pair = bytes + paired * stride, *last = bytes + dense.columns4 * stride;
    Sums sums[Tokens][vectors];
    for (auto& token : sums)
      for (Sums& sum : token) sum = no_sums();
    for (; bytes < last_pair; bytes += 2 * stride, fours += 4) {
      NMT_PRUNE_UNROLL
      for (int line = 0; line < rows * 4; line += 64) {
        prefetch(bytes + 2 * prefetched_bytes + line);
        prefetch(bytes + 2 * prefetched_bytes + stride + line);
      }
      Weights one[vectors], other[vectors];
      NMT_PRUNE_UNROLL
      for (int v = 0; v < vectors; ++v) {
        one[v] = weights_at(bytes + v * dot_lanes * 4);
        other[v] = weights_at(bytes + stride + v * dot_lanes * 4);
      }
      NMT_PRUNE_UNROLL
      for (int t = 0; t < Tokens; ++t) {
        NMT_PRUNE_UNROLL
        for (int v = 0; v < vectors; ++v) {
          const std::uint16_t* of_half = fours + v * dot_lanes / half_rows;
          sums[t][v] = add_dots_of_pair(sums[t][v], one[v], x + (std::size_t{of_half[0]} * Tokens + t) * 4, other[v],
                                        x + (std::size_t{of_half[2]} * Tokens + t) * 4);
        }
      }
    }
    for (; bytes < last; bytes += stride, fours += 2) {
      Weights weights[vectors];
      NMT_PRUNE_UNROLL
      for (int v = 0; v < vectors; ++v) weights[v] = weights_at(bytes + v * dot_lanes * 4);
      NMT_PRUNE_UNROLL
      for (int t = 0; t < Tokens; ++t) {
        NMT_PRUNE_UNROLL
        for (int v = 0; v < vectors; ++v) {
          const std::size_t four = fours[v * dot_lanes / half_rows];
          sums[t][v] = add_dots(sums[t][v], weights[v], x + (four * Tokens + t) * 4);
        }
      }
    }
    alignas(64) std::int32_t lanes[Tokens][rows];
    std::memcpy(lanes, sums, sizeof lanes);
    finish_int8<Tokens>(job, lanes, row, left, scales, output);
  }
}

// So many tokens, at most Tokens.
template <int Tokens>
void int8_pass(const DenseInt8Layout& weights, const Int8Job& job, std::int64_t panel, const Quantized* x,
               const float* scales, std::int64_t tokens, float* output) {
  if (tokens == Tokens) {
    if (weights.fours) return int8_tokens_by_pairs<Tokens>(weights, job, panel, x, scales, output);
    return int8_tokens<Tokens>(weights, job, panel, x, scales, output);
  }
  if constexpr (Tokens > 1) int8_pass<Tokens - 1>(weights, job, panel, x, scales, tokens, output);
}

void dense_int8(const DenseInt8Layout& weights, const void* quantized, const float* scales,
                std::int64_t tokens, const float* bias, bool relu, float* output) {
  const Int8Job job{weights.rows, weights.scales, weights.totals, bias, relu};
  const Quantized* x = static_cast<const Quantized*>(quantized);
  const std::int64_t stride = weights.columns4 * 4, tile = int8_tile(tokens, int8_block);
  for (std::int64_t panel = 0; panel < weights.panels; ++panel)
    for (std::int64_t t = 0; t < tokens; t += tile)
      int8_pass<int8_block>(weights, job, panel, x + t * stride, scales + t,
                            tokens - t < tile ? tokens - t : tile, output + t * weights.rows);
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
