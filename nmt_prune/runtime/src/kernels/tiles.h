// Between row-major tokens and tiles in which the tokens of a column are neighbours.
#pragma once
#include "transpositions.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// Lanes tokens from the first on; where there are fewer, the last one again: nobody reads its sums.
template <int Lanes>
struct TokenRows {
  const float* row[Lanes];
  TokenRows(const float* input, std::int64_t first, std::int64_t tokens, std::int64_t stride) {
    for (int t = 0; t < Lanes; ++t) row[t] = input + (first + t < tokens ? first + t : tokens - 1) * stride;
  }
};

// A square of inputs, transposed; columns past the last are zero.
template <int Lanes>
NMT_PRUNE_INLINE void load_block(const TokenRows<Lanes>& rows, std::int64_t column, std::int64_t columns,
                                 Floats<Lanes> (&block)[Lanes]) {
  if (column + Lanes <= columns) {
    NMT_PRUNE_UNROLL
    for (int t = 0; t < Lanes; ++t) block[t] = load<Lanes>(rows.row[t] + column);
  } else {
    for (int t = 0; t < Lanes; ++t) block[t] = load_some<Lanes>(rows.row[t] + column, columns - column);
  }
  transpose_block(block);
}

template <int Lanes>
void transpose_tile(const float* input, std::int64_t tokens, std::int64_t columns, std::int64_t stride, int tile,
                    float* transposed) {
  for (int first = 0; first < tile; first += Lanes) {
    const TokenRows<Lanes> rows(input, first, tokens, stride);
    for (std::int64_t column = 0; column < columns; column += Lanes) {
      Floats<Lanes> block[Lanes];
      load_block<Lanes>(rows, column, columns, block);
      float* target = transposed + column * tile + first;
      if (column + Lanes <= columns) {
        NMT_PRUNE_UNROLL
        for (int c = 0; c < Lanes; ++c) store(target + c * tile, block[c]);
      } else {
        for (int c = 0; c < columns - column; ++c) store(target + c * tile, block[c]);
      }
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
NMT_PRUNE_INLINE void finish_block(const float* sums, int tile, Floats<Lanes> scale, Floats<Lanes> bias,
                                   Floats<Lanes> floor, std::int64_t tokens, float* output, std::int64_t stride) {
  Floats<Lanes> block[Lanes];
  NMT_PRUNE_UNROLL
  for (int r = 0; r < Lanes; ++r) block[r] = load<Lanes>(sums + r * tile);
  transpose_block(block);
  NMT_PRUNE_UNROLL
  for (int t = 0; t < Lanes; ++t) {
    if (t >= tokens) break;
    const Floats<Lanes> sum = block[t] * scale + bias;
    store(output + t * stride, floor > sum ? floor : sum);
  }
}

template <int Lanes>
void finish_tile(const float* sums, int tile, std::int64_t tokens, std::int64_t count, const Finish& finish) {
  const Floats<Lanes> floor = broadcast<Lanes>(finish.relu ? 0.0f : -__builtin_inff());
  for (std::int64_t token = 0; token < tokens; token += Lanes) {
    for (std::int64_t row = 0; row < count; row += Lanes) {
      const std::int64_t rows = count - row;
      const Floats<Lanes> scale = finish.scales ? load<Lanes>(finish.scales + row) : broadcast<Lanes>(1.0f);
      const Floats<Lanes> bias = finish.bias ? load_some<Lanes>(finish.bias + row, rows) : Floats<Lanes>{};
      const float* from = sums + row * tile + token;
      float* output = finish.output + token * finish.stride + row;
      const std::int64_t left = tokens - token;
      if (rows >= Lanes && left >= Lanes) {  // without a branch, once inlined
        finish_block<Lanes>(from, tile, scale, bias, floor, Lanes, output, finish.stride);
      } else if (rows >= Lanes) {
        finish_block<Lanes>(from, tile, scale, bias, floor, left, output, finish.stride);
      } else {
        alignas(64) float square[Lanes * Lanes];
        finish_block<Lanes>(from, tile, scale, bias, floor, Lanes, square, Lanes);
        for (std::int64_t t = 0; t < Lanes && t < left; ++t)
          store_some<Lanes>(output + t * finish.stride, load<Lanes>(square + t * Lanes), rows);
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
