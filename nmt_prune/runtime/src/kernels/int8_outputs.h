// Sums of int8 products become real values.
#pragma once
#include "bytes.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

struct Int8Job {
  std::int64_t rows;
  const float* scales;         // of rows
  const std::int32_t* totals;
  const float* bias;
  bool relu;
};

// Lanes in which sums of so many rows become real values.
template <int Rows>
constexpr int finish_lanes = Rows < widest ? Rows : widest;
template <int Rows>
using FinishFloats = Floats<finish_lanes<Rows>>;
template <int Rows>
using FinishSums = decltype(FinishFloats<Rows>{} < FinishFloats<Rows>{});

// Real values of the sums of as many rows as there are lanes, the first of them in place `part` of the sums.
template <int Tokens, int Rows>
NMT_PRUNE_INLINE void finish_part(const Int8Job& job, const std::int32_t (*sums)[Rows], std::int64_t part,
                                  std::int64_t row, FinishFloats<Rows> bias, const float* scales, float* output,
                                  std::int64_t stride) {
  constexpr int lanes = finish_lanes<Rows>;
  const FinishFloats<Rows> floor = broadcast<lanes>(job.relu ? 0.0f : -__builtin_inff());
  const FinishFloats<Rows> of_rows = load<lanes>(job.scales + row);
  FinishSums<Rows> totals;
  std::memcpy(&totals, job.totals + row, sizeof totals);
  totals *= input_offset;
  NMT_PRUNE_UNROLL
  for (int t = 0; t < Tokens; ++t) {
    FinishSums<Rows> of_token;
    std::memcpy(&of_token, sums[t] + part, sizeof of_token);
    const FinishFloats<Rows> values =
        __builtin_convertvector(of_token - totals, FinishFloats<Rows>) * (of_rows * scales[t]) + bias;
    store(output + t * stride, floor > values ? floor : values);
  }
}

// Real values of a tile's sums over `count` rows from `row`, at most Rows, or of those of several tiles of rows, one
// after the other. Not inline: what it keeps in registers would drive sums out of them.
template <int Tokens, int Rows>
__attribute__((noinline)) void finish_int8(const Int8Job& job, const std::int32_t (*sums)[Rows], std::int64_t row,
                                           std::int64_t count, const float* scales, float* output,
                                           std::int64_t tiles = 1) {
  constexpr int lanes = finish_lanes<Rows>;
  for (; tiles > 0; --tiles, sums += Tokens, row += Rows, count -= Rows) {
    for (std::int64_t part = 0; part < Rows && part < count; part += lanes) {
      const std::int64_t first = row + part, left = count - part;
      const FinishFloats<Rows> bias = job.bias ? load_some<lanes>(job.bias + first, left) : FinishFloats<Rows>{};
      if (left >= lanes) {
        finish_part<Tokens>(job, sums, part, first, bias, scales, output + first, job.rows);
        continue;
      }
      float some[Tokens][lanes];
      finish_part<Tokens>(job, sums, part, first, bias, scales, some[0], lanes);
      for (int t = 0; t < Tokens; ++t)
        for (std::int64_t i = 0; i < left; ++i) output[t * job.rows + first + i] = some[t][i];
    }
  }
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
