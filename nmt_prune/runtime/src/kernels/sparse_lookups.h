// Sparse int8 weights times tokens that are quantized on the fly, to inputs of which an instruction looks many up. An
// input errs by at most half of a step, so a product by at most that times the sum of the magnitudes of a row's weights.
#pragma once
#include "lookups.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

void quantize_for_lookups(const float* input, std::int64_t tokens, std::int64_t columns, std::int64_t stride,
                          std::uint8_t* bytes, float* scales) {
  for (std::int64_t t = 0; t < tokens; ++t, input += columns, bytes += stride) {
    const float largest = largest_magnitude(input, columns);
    const float inverse = largest > 0.0f ? largest_input / largest : 0.0f;
    scales[t] = largest / largest_input;
    std::int64_t column = 0;
    for (; column + lookup_columns <= columns; column += lookup_columns)
      quantize_some(input + column, lookup_columns, inverse, zero_input, bytes + column);
    quantize_some(input + column, columns - column, inverse, zero_input, bytes + column);
    std::memset(bytes + columns, zero_input, stride - columns);
  }
}

struct LookupJob {
  const LookupLayout& weights;
  const float* bias;
  bool relu;
};

// Real values of some rows that follow each other, at most a vector of them.
template <int Tokens>
NMT_PRUNE_INLINE void finish_rows(const LookupJob& job, std::int64_t row, std::int64_t count, const WindowSums* sums,
                                  const float* token_scales, float* output) {
  const Floats<widest> floor = broadcast<widest>(job.relu ? 0.0f : -__builtin_inff());
  const Floats<widest> scales = load<widest>(job.weights.scales + row);
  const Floats<widest> bias = job.bias ? load_some<widest>(job.bias + row, count) : Floats<widest>{};
  const Unsorting unsorted(job.weights.places + row, job.weights.totals + row);
  const std::int64_t stride = job.weights.rows;
  output += row;
  NMT_PRUNE_UNROLL
  for (int t = 0; t < Tokens; ++t, output += stride) {
    const Floats<widest> value = unsorted.of(sums[t]) * (scales * token_scales[t]) + bias;
    store_some<widest>(output, floor > value ? floor : value, count);
  }
}

template <int Tokens>
void lookup_window_of_tile(const LookupJob& job, std::int64_t window, const std::uint8_t* bytes, const float* scales,
                           std::int64_t tokens, float* output) {
  if constexpr (Tokens > 1) {
    if (tokens < Tokens) return lookup_window_of_tile<Tokens - 1>(job, window, bytes, scales, tokens, output);
  }
  alignas(64) WindowSums sums[Tokens];
  for (int group = 0; group < lookup_groups; ++group)
    sum_group<Tokens>(job.weights, window * lookup_groups + group, bytes, sums);
  for (int part = 0; part < lookup_window; part += widest) {
    const std::int64_t row = window * lookup_window + part, left = job.weights.rows - row;
    if (left >= widest)
      finish_rows<Tokens>(job, row, widest, sums, scales, output);
    else if (left > 0)
      finish_rows<Tokens>(job, row, left, sums, scales, output);
  }
}

void sparse_lookups(const LookupLayout& weights, const std::uint8_t* bytes, const float* scales, std::int64_t tokens,
                    const float* bias, bool relu, float* output) {
  const LookupJob job{weights, bias, relu};
  for (std::int64_t window = 0; window < weights.windows; ++window) {
    for (std::int64_t t = 0; t < tokens; t += lookup_tile)
      lookup_window_of_tile<lookup_tile>(job, window, bytes + t * weights.stride, scales + t,
                                         tokens - t, output + t * weights.rows);
  }
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
