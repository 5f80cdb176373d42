// Between row-major tokens and tiles in which the tokens of a column are neighbours.
#pragma once
#include "transpositions.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

template <int Lanes>
void transpose_tile(const float* input, std::int64_t tokens, std::int64_t columns, int tile, float* transposed) {
  for (int first = 0; first < tile; first += Lanes) {
    for (std::int64_t column = 0; column < columns; column += Lanes) {
      const std::int64_t left = columns - column;
      Floats<Lanes> block[Lanes] = {};
      for (int t = 0; t < Lanes && first + t < tokens; ++t)
        block[t] = load_some<Lanes>(input + (first + t) * columns + column, left);
      transpose_block(block);
      for (int c = 0; c < Lanes && c < left; ++c) store(transposed + (column + c) * tile + first, block[c]);
    }
  }
}

struct Finish {
  const float *scales, *bias;
  bool relu;
  float* output;
  std::int64_t stride;
};

template <int Lanes>
void finish_tile(const float* sums, int tile, std::int64_t tokens, std::int64_t count, const Finish& finish) {
  for (std::int64_t row = 0; row < count; row += Lanes) {
    const std::int64_t left = count - row;
    const Floats<Lanes> scale = finish.scales ? load<Lanes>(finish.scales + row) : broadcast<Lanes>(1.0f);
    const Floats<Lanes> bias = finish.bias ? load_some<Lanes>(finish.bias + row, left) : Floats<Lanes>{};
    for (std::int64_t token = 0; token < tokens; token += Lanes) {
      Floats<Lanes> block[Lanes];
      NMT_PRUNE_UNROLL
      for (int r = 0; r < Lanes; ++r) block[r] = load<Lanes>(sums + (row + r) * tile + token);
      transpose_block(block);
      float* output = finish.output + token * finish.stride + row;
      NMT_PRUNE_UNROLL
      for (int t = 0; t < Lanes; ++t) {
        if (token + t >= tokens) break;
        const Floats<Lanes> sum = block[t] * scale + bias;
        store_some<Lanes>(output + t * finish.stride, finish.relu ? relu_of(sum) : sum, left);
      }
    }
  }
}

void finish_window(const float* sums, int tile, std::int64_t tokens, std::int64_t count, const float* scales,
                   const float* bias, bool relu, float* output, std::int64_t stride) {
  const Finish finish{scales, bias, relu, output, stride};
  if (tile % widest == 0)
    finish_tile<widest>(sums, tile, tokens, count, finish);
#if defined(__AVX512F__)
  else
    finish_tile<8>(sums, tile, tokens, count, finish);
#endif
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
