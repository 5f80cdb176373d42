// Sparse int8 weights times tokens that are quantized on the fly: the inputs of many rows' nonzeros are looked up in
// registers. An input errs by at most 1/254 of its token's largest one, so a product by at most that times the sum of
// the magnitudes of a row's weights.
#pragma once
#include "../layouts.h"
#include "simd.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

constexpr float largest_byte = 127.0f;
constexpr int zero_byte = 128;  // inputs are unsigned for the instruction's sake

NMT_PRUNE_INLINE void quantize_block(const float* from, std::int64_t count, float inverse, std::uint8_t* to) {
  for (std::int64_t i = 0; i < count; ++i)
    to[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(__builtin_rintf(from[i] * inverse)) + zero_byte);
}

void quantize_for_lookups(const float* input, std::int64_t tokens, std::int64_t columns, std::int64_t stride,
                          std::uint8_t* bytes, float* scales) {
  for (std::int64_t t = 0; t < tokens; ++t, input += columns, bytes += stride) {
    const float largest = largest_magnitude(input, columns);
    const float inverse = largest > 0.0f ? largest_byte / largest : 0.0f;
    scales[t] = largest / largest_byte;
    std::int64_t column = 0;
    for (; column + lookup_columns <= columns; column += lookup_columns)
      quantize_block(input + column, lookup_columns, inverse, bytes + column);
    quantize_block(input + column, columns - column, inverse, bytes + column);
    std::memset(bytes + columns, zero_byte, stride - columns);
  }
}

typedef std::int32_t WindowSums[lookup_window];

#if defined(__AVX512VBMI__)

constexpr bool fast_lookups = true;

template <int Tokens>
void sum_group(const LookupLayout& weights, std::int64_t group, const std::uint8_t* inputs, WindowSums* sums) {
  constexpr int registers = lookup_bytes / 64;
  __m512i of_rows[Tokens][registers];
  NMT_PRUNE_UNROLL
  for (int t = 0; t < Tokens; ++t) {
    NMT_PRUNE_UNROLL
    for (int r = 0; r < registers; ++r) of_rows[t][r] = _mm512_setzero_si512();
  }
  for (std::size_t step = weights.starts[group]; step < weights.starts[group + 1]; ++step) {
    const std::uint8_t* pairs = weights.steps + step * 2 * lookup_bytes;
    __m512i columns[registers], values[registers];
    NMT_PRUNE_UNROLL
    for (int r = 0; r < registers; ++r) {
      prefetch(pairs + 4 * prefetched_bytes + r * 128);
      prefetch(pairs + 4 * prefetched_bytes + r * 128 + 64);
      columns[r] = _mm512_load_si512(pairs + r * 64);
      values[r] = _mm512_load_si512(pairs + lookup_bytes + r * 64);
    }
    const std::uint8_t* token = inputs + weights.firsts[step];
    NMT_PRUNE_UNROLL
    for (int t = 0; t < Tokens; ++t) {
      __m512i here = _mm512_loadu_si512(token + t * weights.stride);
      __asm__("" : "+v"(here));  // or the compiler loads it again for each register of rows
      NMT_PRUNE_UNROLL
      for (int r = 0; r < registers; ++r)
        of_rows[t][r] = _mm512_dpbusd_epi32(of_rows[t][r], _mm512_permutexvar_epi8(columns[r], here), values[r]);
    }
  }
  const std::int64_t place = group % lookup_groups * lookup_rows;
  NMT_PRUNE_UNROLL
  for (int t = 0; t < Tokens; ++t) {
    NMT_PRUNE_UNROLL
    for (int r = 0; r < registers; ++r) _mm512_store_si512(sums[t] + place + 16 * r, of_rows[t][r]);
  }
}

// Takes the sums of rows that follow each other from where sorting put them.
struct Unsorting {
  __m512i places, zeros;
  __mmask16 high;
  Unsorting(const std::uint8_t* at, const std::int32_t* zeros_at)
      : places(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)))),
        zeros(_mm512_load_si512(zeros_at)),
        high(_mm512_test_epi32_mask(places, _mm512_set1_epi32(32))) {}
  NMT_PRUNE_INLINE Floats<widest> of(const std::int32_t* sums) const {
    const __m512i of_low = _mm512_permutex2var_epi32(_mm512_load_si512(sums), places, _mm512_load_si512(sums + 16));
    const __m512i of_high =
        _mm512_permutex2var_epi32(_mm512_load_si512(sums + 32), places, _mm512_load_si512(sums + 48));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_mask_mov_epi32(of_low, high, of_high), zeros));
  }
};

#else

constexpr bool fast_lookups = false;

template <int Tokens>
void sum_group(const LookupLayout& weights, std::int64_t group, const std::uint8_t* inputs, WindowSums* sums) {
  for (int t = 0; t < Tokens; ++t) {
    std::int32_t* of_rows = sums[t] + group % lookup_groups * lookup_rows;
    std::memset(of_rows, 0, lookup_rows * sizeof *of_rows);
    for (std::size_t step = weights.starts[group]; step < weights.starts[group + 1]; ++step) {
      const std::uint8_t* columns = weights.steps + step * 2 * lookup_bytes;
      const std::int8_t* values = reinterpret_cast<const std::int8_t*>(columns + lookup_bytes);
      const std::uint8_t* token = inputs + weights.firsts[step] + t * weights.stride;
      for (int i = 0; i < lookup_bytes; ++i) of_rows[i / 4] += token[columns[i]] * values[i];
    }
  }
}

struct Unsorting {
  const std::uint8_t* places;
  const std::int32_t* zeros;
  Unsorting(const std::uint8_t* at, const std::int32_t* zeros_at) : places(at), zeros(zeros_at) {}
  NMT_PRUNE_INLINE Floats<widest> of(const std::int32_t* sums) const {
    float lanes[widest];
    for (int i = 0; i < widest; ++i) lanes[i] = static_cast<float>(sums[places[i]] - zeros[i]);
    return load<widest>(lanes);
  }
};

#endif

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
  const Unsorting unsorted(job.weights.places + row, job.weights.zeros + row);
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
