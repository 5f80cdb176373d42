// Dense int8 weights times tokens that are quantized on the fly.
#pragma once
#include <cstddef>
#include <utility>

#include "../layouts.h"
#include "bytes.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// Tokens that one pass over a panel's weights serves, at most.
#if defined(__AVX512F__)
constexpr int int8_block = 12;
#elif defined(__AVX2__) || defined(__ARM_FEATURE_DOTPROD)
constexpr int int8_block = 6;
#else
constexpr int int8_block = 4;
#endif

// Registers of rows in such a pass: sums, weights and products fill all registers that there are.
#if defined(__ARM_FEATURE_DOTPROD)
constexpr int int8_vectors = 4;
#else
constexpr int int8_vectors = 2;
#endif

// Tokens are taken in passes of the same number, but for the last.
std::int64_t int8_tile(std::int64_t tokens) {
  const std::int64_t passes = (tokens + int8_block - 1) / int8_block;
  return passes ? (tokens + passes - 1) / passes : 1;
}

typedef decltype(Floats<widest>{} < Floats<widest>{}) Rounded;
typedef Quantized QuantizedLanes __attribute__((vector_size(widest * sizeof(Quantized))));

template <std::size_t... Lanes>
NMT_PRUNE_INLINE Rounded in_lane_order(Rounded x, std::index_sequence<Lanes...>) {
#if defined(__clang__)
  return __builtin_shufflevector(x, x, (int(Lanes / 4 * 4) + lane_order[Lanes % 4])...);
#else
  return __builtin_shuffle(x, Rounded{(int(Lanes / 4 * 4) + lane_order[Lanes % 4])...});
#endif
}

// To the nearest, halves away from zero.
NMT_PRUNE_INLINE Rounded rounded(Floats<widest> x) {
  return __builtin_convertvector(x + (x < 0.0f ? broadcast<widest>(-0.5f) : broadcast<widest>(0.5f)), Rounded);
}

void quantize(const float* input, std::int64_t tokens, std::int64_t columns, std::int64_t columns4, void* quantized,
              float* scales, std::int32_t* offsets) {
  const std::int64_t full = int8_tile(tokens);
  for (std::int64_t t = 0; t < tokens; ++t) {
    const float* x = input + t * columns;
    const std::int64_t in_tile = t % full, first = t - in_tile, tile = tokens - first < full ? tokens - first : full;
    Quantized* q = static_cast<Quantized*>(quantized) + first * columns4 * 4 + in_tile * 4;
    const float largest = largest_magnitude(x, columns);
    const float inverse = largest > 0.0f ? largest_input / largest : 0.0f;
    Rounded sums{};
    for (std::int64_t column = 0; column < columns; column += widest) {
      const Rounded values = rounded(load_some<widest>(x + column, columns - column) * inverse);
      sums += values;
      const QuantizedLanes lanes = __builtin_convertvector(
          in_lane_order(values, std::make_index_sequence<widest>()), QuantizedLanes);
      Quantized fours[widest];
      std::memcpy(fours, &lanes, sizeof fours);
      for (std::int64_t four = 0; four < widest / 4 && column / 4 + four < columns4; ++four)
        std::memcpy(q + (column / 4 + four) * tile * 4, fours + 4 * four, 4 * sizeof(Quantized));
    }
    std::int32_t sum = 0;
    for (int lane = 0; lane < widest; ++lane) sum += sums[lane];
    scales[t] = largest / largest_input;
    offsets[t] = weight_offset * sum;
  }
}

struct Int8Job {
  const DenseInt8Layout& weights;
  const float* bias;
  bool relu;
};

// Real values of one token's sums over `count` rows from `row`. Not inline: what it keeps in registers would drive sums
// out of them.
__attribute__((noinline)) void finish_int8(const Int8Job& job, const std::int32_t* sums, std::int64_t row,
                                           std::int64_t count, float scale, std::int32_t offset, float* output) {
  std::int64_t i = 0;
  for (; i + widest <= count; i += widest) {
    Rounded lanes;
    std::memcpy(&lanes, sums + i, sizeof lanes);
    Floats<widest> values = __builtin_convertvector(lanes - offset, Floats<widest>);
    values *= scale * load<widest>(job.weights.scales + row + i);
    if (job.bias) values += load<widest>(job.bias + row + i);
    store(output + i, job.relu ? relu_of(values) : values);
  }
  for (; i < count; ++i) {
    float value = static_cast<float>(sums[i] - offset) * (scale * job.weights.scales[row + i]);
    if (job.bias) value += job.bias[row + i];
    output[i] = job.relu && value < 0.0f ? 0.0f : value;
  }
}

template <int Tokens>
void int8_tokens(const Int8Job& job, std::int64_t panel, const Quantized* x, const float* scales,
                 const std::int32_t* offsets, float* output) {
  const std::int64_t columns4 = job.weights.columns4;
  for (int part = 0; part < panel_rows; part += int8_vectors * dot_lanes) {
    const std::int64_t row = panel * panel_rows + part, left = job.weights.rows - row;
    if (left <= 0) return;
    const std::uint8_t* bytes = job.weights.values + (panel * columns4 * panel_rows + part) * 4;
    Sums sums[Tokens][int8_vectors];
    for (auto& token : sums)
      for (Sums& sum : token) sum = no_sums();
    for (std::int64_t four = 0; four < columns4; ++four, bytes += panel_rows * 4) {
      NMT_PRUNE_UNROLL
      for (int line = 0; line < int8_vectors * dot_lanes * 4; line += 64) prefetch(bytes + 2 * prefetched_bytes + line);
      Weights weights[int8_vectors];
      NMT_PRUNE_UNROLL
      for (int v = 0; v < int8_vectors; ++v) weights[v] = weights_at(bytes + v * dot_lanes * 4);
      NMT_PRUNE_UNROLL
      for (int t = 0; t < Tokens; ++t) {
        NMT_PRUNE_UNROLL
        for (int v = 0; v < int8_vectors; ++v)
          sums[t][v] = add_dots(sums[t][v], weights[v], x + (four * Tokens + t) * 4);
      }
    }
    const std::int64_t count = left < int8_vectors * dot_lanes ? left : int8_vectors * dot_lanes;
    alignas(64) std::int32_t lanes[Tokens][int8_vectors * dot_lanes];
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
