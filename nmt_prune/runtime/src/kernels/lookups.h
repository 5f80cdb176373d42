// Sums of weights times inputs, which are looked up: the inputs of many rows' nonzeros at once, among the 64 columns of
// a step.
#pragma once
#include "../layouts.h"
#include "bytes.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// What is added to inputs, so that they are unsigned, as the instructions for products want them.
constexpr int zero_input = input_offset > 0 ? input_offset : 128, zero_bits = zero_input > 64 ? 7 : 6;

typedef std::int32_t WindowSums[lookup_window];

#if defined(__AVX512VBMI__)

constexpr std::int64_t lookup_tokens = INT64_MAX;

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

#elif defined(__AVX2__)

// Weights that are broadcast take as long with one token as with eight: measured, without AVX-512, five take as long
// either way.
constexpr std::int64_t lookup_tokens = 4;

#if defined(__AVX512BW__)
NMT_PRUNE_INLINE Sums looked_up(const std::uint8_t* among, Sums places) {
  const __m128i sixteen = _mm_loadu_si128(reinterpret_cast<const __m128i*>(among));
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(sixteen), places);
}
#else
NMT_PRUNE_INLINE Sums looked_up(const std::uint8_t* among, Sums places) {
  const __m128i sixteen = _mm_loadu_si128(reinterpret_cast<const __m128i*>(among));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(sixteen), places);
}
#endif

typedef std::uint8_t Bytes __attribute__((vector_size(sizeof(Sums))));

// An instruction looks up among 16 bytes, a quarter of the columns, and gives zero where the highest bit of a place is
// set: of columns 0 to 63 all but those of the quarter get it.
template <int Quarter>
NMT_PRUNE_INLINE Sums places_in(Bytes columns) {
  return reinterpret_cast<Sums>((columns ^ static_cast<std::uint8_t>(16 * Quarter)) + static_cast<std::uint8_t>(0x70));
}

template <int Tokens>
void sum_group(const LookupLayout& weights, std::int64_t group, const std::uint8_t* inputs, WindowSums* sums) {
  constexpr int bytes = sizeof(Sums), registers = lookup_bytes / bytes;
  Sums of_rows[Tokens][registers];
  for (auto& token : of_rows)
    for (Sums& rows : token) rows = no_sums();
  for (std::size_t step = weights.starts[group]; step < weights.starts[group + 1]; ++step) {
    const std::uint8_t* pairs = weights.steps + step * 2 * lookup_bytes;
    const std::uint8_t* token = inputs + weights.firsts[step];
    NMT_PRUNE_UNROLL
    for (int line = 0; line < 2 * lookup_bytes; line += 64) prefetch(pairs + 4 * prefetched_bytes + line);
    NMT_PRUNE_UNROLL
    for (int r = 0; r < registers; ++r) {
      const Bytes columns = reinterpret_cast<Bytes>(load_bytes(pairs + r * bytes));
      const Sums values = load_bytes(pairs + lookup_bytes + r * bytes);
      const Sums places[] = {places_in<0>(columns), places_in<1>(columns), places_in<2>(columns),
                             places_in<3>(columns)};
      NMT_PRUNE_UNROLL
      for (int t = 0; t < Tokens; ++t) {
        const std::uint8_t* here = token + t * weights.stride;
        const Sums low = looked_up(here, places[0]) | looked_up(here + 16, places[1]);
        const Sums high = looked_up(here + 32, places[2]) | looked_up(here + 48, places[3]);
        of_rows[t][r] = dot(of_rows[t][r], low | high, values);
      }
    }
  }
  const std::int64_t place = group % lookup_groups * lookup_rows;
  for (int t = 0; t < Tokens; ++t) std::memcpy(sums[t] + place, of_rows[t], sizeof of_rows[t]);
}

#else

constexpr std::int64_t lookup_tokens = 0;

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

#endif

// Takes the sums of rows that follow each other from where sorting put them.
#if defined(__AVX512F__)

struct Unsorting {
  __m512i places, zeros;
  __mmask16 high;
  Unsorting(const std::uint8_t* at, const std::int32_t* totals)
      : places(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)))),
        zeros(_mm512_slli_epi32(_mm512_load_si512(totals), zero_bits)),
        high(_mm512_test_epi32_mask(places, _mm512_set1_epi32(32))) {}
  NMT_PRUNE_INLINE Floats<widest> of(const std::int32_t* sums) const {
    const __m512i of_low = _mm512_permutex2var_epi32(_mm512_load_si512(sums), places, _mm512_load_si512(sums + 16));
    const __m512i of_high =
        _mm512_permutex2var_epi32(_mm512_load_si512(sums + 32), places, _mm512_load_si512(sums + 48));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_mask_mov_epi32(of_low, high, of_high), zeros));
  }
};

#elif defined(__AVX2__)

struct Unsorting {
  __m256i places, zeros;
  Unsorting(const std::uint8_t* at, const std::int32_t* totals)
      : places(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)))),
        zeros(_mm256_slli_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(totals)), zero_bits)) {}
  NMT_PRUNE_INLINE Floats<widest> of(const std::int32_t* sums) const {
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_i32gather_epi32(sums, places, 4), zeros));
  }
};

#else

struct Unsorting {
  const std::uint8_t* places;
  const std::int32_t* totals;
  Unsorting(const std::uint8_t* at, const std::int32_t* totals_at) : places(at), totals(totals_at) {}
  NMT_PRUNE_INLINE Floats<widest> of(const std::int32_t* sums) const {
    float lanes[widest];
    for (int i = 0; i < widest; ++i) lanes[i] = static_cast<float>(sums[places[i]] - zero_input * totals[i]);
    return load<widest>(lanes);
  }
};

#endif

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
