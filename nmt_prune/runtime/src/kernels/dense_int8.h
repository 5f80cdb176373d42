// Dense int8 weights times tokens that are quantized on the fly.
#pragma once
#include "../layouts.h"
#include "bytes.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// Tokens that one pass over a panel's weights serves, at most.
#if defined(__AVX512F__) || (defined(__AVX2__) && !defined(__AVXVNNI__))
constexpr int int8_block = 12;
#elif defined(__AVXVNNI__) || defined(__ARM_FEATURE_DOTPROD)
constexpr int int8_block = 6;
#else
constexpr int int8_block = 4;
#endif

// Registers of rows in such a pass: sums, weights and products fill all registers that there are.
template <int Tokens>
constexpr int int8_vectors() {
#if defined(__ARM_FEATURE_DOTPROD)
  return 4;
#elif defined(__AVX2__) && !defined(__AVX512F__) && !defined(__AVXVNNI__)
  return Tokens > 5 ? 1 : 2;
#else
  return 2;
#endif
}

// Tokens are taken in passes of the same number, but for the last.
std::int64_t int8_tile(std::int64_t tokens) {
  const std::int64_t passes = (tokens + int8_block - 1) / int8_block;
  return passes ? (tokens + passes - 1) / passes : 1;
}

void quantize(const float* input, std::int64_t tokens, std::int64_t columns, std::int64_t columns4, void* quantized,
              float* scales, std::int32_t* offsets) {
  const std::int64_t full = int8_tile(tokens);
  for (std::int64_t t = 0; t < tokens; ++t) {
    const float* x = input + t * columns;
    const std::int64_t in_tile = t % full, first = t - in_tile, tile = tokens - first < full ? tokens - first : full;
    Quantized* q = static_cast<Quantized*>(quantized) + first * columns4 * 4 + in_tile * 4;
    const float largest = largest_magnitude(x, columns);
    const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
    std::int32_t sum = 0;
    std::int64_t four = 0;
    for (; four + 1 <= columns / 4; ++four) {
      for (int i = 0; i < 4; ++i) {
        const float value = x[4 * four + lane_order[i]] * inverse;
        const std::int32_t rounded = static_cast<std::int32_t>(value + (value < 0.0f ? -0.5f : 0.5f));
        q[4 * four * tile + i] = static_cast<Quantized>(rounded);
        sum += rounded;
      }
    }
    for (; four < columns4; ++four) {
      for (int i = 0; i < 4; ++i) {
        const std::int64_t column = 4 * four + lane_order[i];
        const float value = column < columns ? x[column] * inverse : 0.0f;
        const std::int32_t rounded = static_cast<std::int32_t>(value + (value < 0.0f ? -0.5f : 0.5f));
        q[4 * four * tile + i] = static_cast<Quantized>(rounded);
        sum += rounded;
      }
    }
    scales[t] = largest / 127.0f;
    offsets[t] = weight_offset * sum;
  }
}

struct Int8Job {
  const DenseInt8Layout& weights;
  const float* bias;
  bool relu;
};

// Real values of one token's sums over `count` rows from `row`. Not inline: what it keeps in registers would drive sums out
// of them.
__attribute__((noinline)) void finish_int8(const Int8Job& job, const std::int32_t* sums, std::int64_t row, std::int64_t count,
                                  float scale, std::int32_t offset, float* output) {
  for (std::int64_t i = 0; i < count; ++i) {
    float value = static_cast<float>(sums[i] - offset) * (scale * job.weights.scales[row + i]);
    if (job.bias) value += job.bias[row + i];
    output[i] = job.relu && value < 0.0f ? 0.0f : value;
  }
}

template <int Tokens>
void int8_tokens(const Int8Job& job, std::int64_t panel, const Quantized* x, const float* scales,
                 const std::int32_t* offsets, float* output) {
  constexpr int Vectors = int8_vectors<Tokens>();
  const std::int64_t columns4 = job.weights.columns4;
  for (int part = 0; part < panel_rows; part += Vectors * dot_lanes) {
    const std::int64_t row = panel * panel_rows + part, left = job.weights.rows - row;
    if (left <= 0) return;
    const std::uint8_t* bytes = job.weights.values + (panel * columns4 * panel_rows + part) * 4;
    Sums sums[Tokens][Vectors];
    for (auto& token : sums)
      for (Sums& sum : token) sum = no_sums();
    for (std::int64_t four = 0; four < columns4; ++four, bytes += panel_rows * 4) {
      NMT_PRUNE_UNROLL
      for (int line = 0; line < Vectors * dot_lanes * 4; line += 64) prefetch(bytes + 2 * prefetched_bytes + line);
      Weights weights[Vectors];
      NMT_PRUNE_UNROLL
      for (int v = 0; v < Vectors; ++v) weights[v] = weights_at(bytes + v * dot_lanes * 4);
      NMT_PRUNE_UNROLL
      for (int t = 0; t < Tokens; ++t) {
        NMT_PRUNE_UNROLL
        for (int v = 0; v < Vectors; ++v) sums[t][v] = add_dots(sums[t][v], weights[v], x + (four * Tokens + t) * 4);
      }
    }
    const std::int64_t count = left < Vectors * dot_lanes ? left : Vectors * dot_lanes;
    alignas(64) std::int32_t lanes[Tokens][Vectors * dot_lanes];
    std::memcpy(lanes, sums, sizeof lanes);
    for (int t = 0; t < Tokens; ++t)
      finish_int8(job, lanes[t], row, count, scales[t], offsets[t], output + t * job.weights.rows + row);
  }
}

// So many tokens, at most Tokens.
template <int Tokens>
void int8_pass(const Int8Job& job, std::int64_t panel, const Quantized* x, const float* scales,
               const std::int32_t* offsets, std::int64_t tokens, float* output) {
  if (tokens == Tokens) return int8_tokens<Tokens>(job, panel, x, scales, offsets, output);
  if constexpr (Tokens > 1) int8_pass<Tokens - 1>(job, panel, x, scales, offsets, tokens, output);
}

void dense_int8(const DenseInt8Layout& weights, const void* quantized, const float* scales,
                const std::int32_t* offsets, std::int64_t tokens, const float* bias, bool relu, float* output) {
  const Int8Job job{weights, bias, relu};
  const Quantized* x = static_cast<const Quantized*>(quantized);
  const std::int64_t stride = weights.columns4 * 4, tile = int8_tile(tokens);
  for (std::int64_t panel = 0; panel < weights.panels; ++panel)
    for (std::int64_t t = 0; t < tokens; t += tile)
      int8_pass<int8_block>(job, panel, x + t * stride, scales + t, offsets + t,
                            tokens - t < tile ? tokens - t : tile, output + t * weights.rows);
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
