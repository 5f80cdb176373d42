// Between row-major tokens and tiles in which the tokens of a column are neighbours.
#pragma once
#include "simd.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

#if defined(__clang__)
#define NMT_PRUNE_SHUFFLE4(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int Ints4 __attribute__((vector_size(16)));
#define NMT_PRUNE_SHUFFLE4(a, b, i, j, k, l) __builtin_shuffle(a, b, Ints4{i, j, k, l})
#endif

NMT_PRUNE_INLINE void transpose4(Floats4 (&rows)[4]) {
  const Floats4 a = NMT_PRUNE_SHUFFLE4(rows[0], rows[1], 0, 4, 1, 5), b = NMT_PRUNE_SHUFFLE4(rows[0], rows[1], 2, 6, 3, 7);
  const Floats4 c = NMT_PRUNE_SHUFFLE4(rows[2], rows[3], 0, 4, 1, 5), d = NMT_PRUNE_SHUFFLE4(rows[2], rows[3], 2, 6, 3, 7);
  rows[0] = NMT_PRUNE_SHUFFLE4(a, c, 0, 1, 4, 5);
  rows[1] = NMT_PRUNE_SHUFFLE4(a, c, 2, 3, 6, 7);
  rows[2] = NMT_PRUNE_SHUFFLE4(b, d, 0, 1, 4, 5);
  rows[3] = NMT_PRUNE_SHUFFLE4(b, d, 2, 3, 6, 7);
}

void transpose(const float* input, std::int64_t tokens, std::int64_t columns, int tile, float* transposed) {
  if (tile == 1) {
    std::memcpy(transposed, input, static_cast<std::size_t>(columns) * sizeof(float));
    return;
  }
  for (int first = 0; first < tile; first += 4) {
    const std::int64_t left = tokens - first;
    std::int64_t column = 0;
    for (; column + 4 <= columns; column += 4) {
      Floats4 block[4] = {};
      NMT_PRUNE_UNROLL
      for (int t = 0; t < 4; ++t)
        if (t < left) block[t] = load<4>(input + (first + t) * columns + column);
      transpose4(block);
      NMT_PRUNE_UNROLL
      for (int c = 0; c < 4; ++c) store(transposed + (column + c) * tile + first, block[c]);
    }
    for (; column < columns; ++column)
      for (int t = 0; t < 4; ++t)
        transposed[column * tile + first + t] = t < left ? input[(first + t) * columns + column] : 0.0f;
  }
}

NMT_PRUNE_INLINE float finished(float sum, std::int64_t row, const float* scales, const float* bias, bool relu) {
  if (scales) sum *= scales[row];
  if (bias) sum += bias[row];
  return relu && !(sum > 0.0f) ? 0.0f : sum;
}

void finish_window(const float* sums, int tile, std::int64_t tokens, std::int64_t count, const float* scales,
                   const float* bias, bool relu, float* output, std::int64_t stride) {
  std::int64_t row = 0;
  if (tile >= 4) {
    for (; row + 4 <= count; row += 4) {
      const Floats4 scale = scales ? load<4>(scales + row) : broadcast<4>(1.0f);
      const Floats4 shift = bias ? load<4>(bias + row) : Floats4{};
      for (std::int64_t token = 0; token < tokens; token += 4) {
        Floats4 block[4];
        NMT_PRUNE_UNROLL
        for (int r = 0; r < 4; ++r) block[r] = load<4>(sums + (row + r) * tile + token);
        transpose4(block);
        NMT_PRUNE_UNROLL
        for (int t = 0; t < 4; ++t) {
          if (token + t >= tokens) break;
          const Floats4 sum = block[t] * scale + shift;
          store(output + (token + t) * stride + row, relu ? relu_of(sum) : sum);
        }
      }
    }
  }
  for (; row < count; ++row)
    for (std::int64_t token = 0; token < tokens; ++token)
      output[token * stride + row] = finished(sums[row * tile + token], row, scales, bias, relu);
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
