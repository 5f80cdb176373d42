// Sparse weights times a tile of tokens: a weight is broadcast over the tile.
#pragma once
#include <utility>

#include "../half.h"
#include "../layouts.h"
#include "simd.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// The eight weights of a step in registers: loads are what these loops are short of, so a weight is broadcast by a
// permutation and offsets are read four at a time.
#if defined(__AVX2__)

NMT_PRUNE_INLINE __m256 load_step(const float* values) { return _mm256_loadu_ps(values); }
NMT_PRUNE_INLINE __m256 load_step(const std::uint16_t* values) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
}
NMT_PRUNE_INLINE __m256 load_step(const std::int8_t* values) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(values))));
}

template <int Lanes>
struct Step;

template <>
struct Step<8> {
  __m256 weights;
  template <class Value>
  NMT_PRUNE_INLINE explicit Step(const Value* values) : weights(load_step(values)) {}
  template <int Row>
  NMT_PRUNE_INLINE Floats8 weight() const {
    const __m256 four = _mm256_permute2f128_ps(weights, weights, Row / 4 * 0x11);
    return _mm256_permute_ps(four, Row % 4 * 0x55);
  }
};

#if defined(__AVX512F__)
template <>
struct Step<16> {
  __m512 weights;
  template <class Value>
  NMT_PRUNE_INLINE explicit Step(const Value* values) : weights(_mm512_castps256_ps512(load_step(values))) {}
  template <int Row>
  NMT_PRUNE_INLINE Floats16 weight() const {
    return _mm512_permutexvar_ps(_mm512_set1_epi32(Row), weights);
  }
};
#endif

#elif defined(__ARM_NEON)

template <int Lanes>
struct Step {
  static_assert(Lanes == 4, "registers have four lanes");
  float32x4_t weights[2];
  NMT_PRUNE_INLINE explicit Step(const float* values) : weights{vld1q_f32(values), vld1q_f32(values + 4)} {}
  NMT_PRUNE_INLINE explicit Step(const std::uint16_t* values) {
    const float16x8_t eight = vreinterpretq_f16_u16(vld1q_u16(values));
    weights[0] = vcvt_f32_f16(vget_low_f16(eight));
    weights[1] = vcvt_high_f32_f16(eight);
  }
  NMT_PRUNE_INLINE explicit Step(const std::int8_t* values) {
    const int16x8_t eight = vmovl_s8(vld1_s8(values));
    weights[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(eight)));
    weights[1] = vcvtq_f32_s32(vmovl_high_s16(eight));
  }
  template <int Row>
  NMT_PRUNE_INLINE Floats4 weight() const {
    return vdupq_laneq_f32(weights[Row / 4], Row % 4);
  }
};

#else

template <int Lanes>
struct Step {
  float weights[group_rows];
  NMT_PRUNE_INLINE explicit Step(const float* values) { std::memcpy(weights, values, sizeof weights); }
  NMT_PRUNE_INLINE explicit Step(const std::uint16_t* values) {
    for (int i = 0; i < group_rows; ++i) weights[i] = half_to_float(values[i]);
  }
  NMT_PRUNE_INLINE explicit Step(const std::int8_t* values) {
    for (int i = 0; i < group_rows; ++i) weights[i] = values[i];
  }
  template <int Row>
  NMT_PRUNE_INLINE Floats<Lanes> weight() const {
    return broadcast<Lanes>(weights[Row]);
  }
};

#endif

// Offsets of a step, for each of its rows.
template <int Block>
struct Offsets {
  static constexpr int words = Block == 1 ? 2 : 1;
  std::uint64_t word[words];
  NMT_PRUNE_INLINE explicit Offsets(const std::uint16_t* from) {
    std::memcpy(&word[0], from, Block == 1 ? 8 : 4);
    __asm__("" : "+r"(word[0]));  // or the compiler makes four loads of it again
    if constexpr (words == 2) {
      std::memcpy(&word[1], from + 4, 8);
      __asm__("" : "+r"(word[1]));
    }
  }
  template <int Row>
  NMT_PRUNE_INLINE std::size_t of() const {
    constexpr int place = Row / Block;
    std::size_t offset = static_cast<std::uint16_t>(word[place / 4] >> (16 * (place % 4)));
    __asm__("" : "+r"(offset));  // or it is scaled by instructions of its own, not within an address
    return offset;
  }
};

// One step of row First + Row.
template <class Value, int Lanes, int Count, int Block, int First, int Rows, int Row>
NMT_PRUNE_INLINE void add_row(const Offsets<Block>& offsets, const Step<Lanes>& weights, const char* inputs,
                              Floats<Lanes> (&sums)[Rows][Count]) {
  constexpr std::size_t scale = Lanes * Count * sizeof(float) / offset_unit;
  const float* column = reinterpret_cast<const float*>(inputs + offsets.template of<First + Row>() * scale);
  const Floats<Lanes> weight = weights.template weight<First + Row>();
  NMT_PRUNE_UNROLL
  for (int c = 0; c < Count; ++c) sums[Row][c] += weight * load<Lanes>(column + c * Lanes);
}

// Rows First..First+Rows of one group; sums[r] are Count vectors. Unrolled before the compiler sees it: it leaves
// useless stores behind where it unrolls itself.
template <class Value, int Lanes, int Count, int Block, int First, int Rows, int... Row>
NMT_PRUNE_INLINE void sum_rows(const std::uint16_t* offsets, const Value* values, std::uint32_t steps, const float* x,
                               Floats<Lanes> (&sums)[Rows][Count], std::integer_sequence<int, Row...>) {
  const char* inputs = reinterpret_cast<const char*>(x);
  __asm__("" : "+r"(inputs));  // one register, not base and panel apart
  for (std::uint32_t step = 0; step < steps; ++step) {
    prefetch(values + prefetched_bytes / sizeof(Value));
    prefetch(offsets + prefetched_bytes / sizeof *offsets);
    const Step<Lanes> weights(values);
    const Offsets<Block> from(offsets);
    (add_row<Value, Lanes, Count, Block, First, Rows, Row>(from, weights, inputs, sums), ...);
    offsets += group_rows / Block;
    values += group_rows;
  }
}

template <class Value, int Lanes, int Count, int Block, int First, int Rows>
NMT_PRUNE_INLINE void sum_group(const std::uint16_t* offsets, const Value* values, std::uint32_t steps, const float* x,
                                const std::uint8_t* order, bool add, float* sums) {
  constexpr int tile = Lanes * Count;
  Floats<Lanes> rows[Rows][Count] = {};
  sum_rows<Value, Lanes, Count, Block, First>(offsets, values, steps, x, rows, std::make_integer_sequence<int, Rows>());
  NMT_PRUNE_UNROLL
  for (int r = 0; r < Rows; ++r) {
    float* target = sums + order[First + r] * tile;
    NMT_PRUNE_UNROLL
    for (int c = 0; c < Count; ++c) {
      if (add) rows[r][c] += load<Lanes>(target + c * Lanes);
      store(target + c * Lanes, rows[r][c]);
    }
  }
}

template <class Value, int Lanes, int Count, int Block, int Rows>
void sum_window(const SparseLayout& weights, std::int64_t window, const float* x, float* sums) {
  constexpr int tile = Lanes * Count;
  for (std::int64_t panel = 0; panel < weights.panels; ++panel) {
    const std::int64_t part = window * weights.panels + panel;
    const std::uint32_t* starts = weights.starts + part * window_groups;
    const std::uint8_t* order = weights.order + part * window_rows;
    const float* inputs = x + panel * panel_columns * tile;
    for (int group = 0; group < window_groups; ++group, order += group_rows) {
      const std::size_t first = starts[group];
      const std::uint32_t steps = starts[group + 1] - starts[group];
      const std::uint16_t* offsets = weights.offsets + first * (group_rows / Block);
      const Value* values = static_cast<const Value*>(weights.values) + first * group_rows;
      sum_group<Value, Lanes, Count, Block, 0, Rows>(offsets, values, steps, inputs, order, panel > 0, sums);
      if constexpr (Rows < group_rows)
        sum_group<Value, Lanes, Count, Block, Rows, Rows>(offsets, values, steps, inputs, order, panel > 0, sums);
    }
  }
}

template <class Value, int Block>
void sum_window_of_tile(const SparseLayout& weights, std::int64_t window, const float* x, int tile, float* sums) {
  // Registers: 16 of 16 or 32 bytes, 32 of 64 bytes; of ARM 32 of 16 bytes.
  switch (tile) {
#if defined(__AVX512F__)
    case 8: return sum_window<Value, 8, 1, Block, 8>(weights, window, x, sums);
    case 16: return sum_window<Value, 16, 1, Block, 8>(weights, window, x, sums);
#elif defined(__AVX2__)
    case 8: return sum_window<Value, 8, 1, Block, 8>(weights, window, x, sums);
    case 16: return sum_window<Value, 8, 2, Block, 4>(weights, window, x, sums);
    case 24: return sum_window<Value, 8, 3, Block, 4>(weights, window, x, sums);
#elif defined(__ARM_NEON)
    case 4: return sum_window<Value, 4, 1, Block, 8>(weights, window, x, sums);
    case 8: return sum_window<Value, 4, 2, Block, 8>(weights, window, x, sums);
    case 16: return sum_window<Value, 4, 4, Block, 4>(weights, window, x, sums);
#else
    case 4: return sum_window<Value, 4, 1, Block, 8>(weights, window, x, sums);
    case 8: return sum_window<Value, 4, 2, Block, 4>(weights, window, x, sums);
#endif
  }
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
