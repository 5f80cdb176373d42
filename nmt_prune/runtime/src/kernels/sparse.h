// Sparse weights times a tile of tokens: a weight is broadcast over the tile.
#pragma once
#include "../half.h"
#include "../layouts.h"
#include "simd.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// The eight weights of a step, as floats in memory.
NMT_PRUNE_INLINE const float* weights_of_step(const float* values, float*) { return values; }
NMT_PRUNE_INLINE const float* weights_of_step(const std::uint16_t* values, float* buffer) {
#if defined(__AVX2__)
  _mm256_store_ps(buffer, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values))));
#else
  for (int i = 0; i < group_rows; ++i) buffer[i] = half_to_float(values[i]);
#endif
  return buffer;
}
NMT_PRUNE_INLINE const float* weights_of_step(const std::int8_t* values, float* buffer) {
  for (int i = 0; i < group_rows; ++i) buffer[i] = values[i];
  return buffer;
}

// Rows first..first+Rows of one group; sums[r] has Count vectors for each of the eight.
template <class Value, int Lanes, int Count, int Block, int First, int Rows>
NMT_PRUNE_INLINE void sum_rows(const std::uint16_t* offsets, const Value* values, std::uint32_t steps, const float* x,
                               Floats<Lanes> (&sums)[Rows][Count]) {
  constexpr int tile = Lanes * Count;
  constexpr int offsets_per_step = group_rows / Block;
  const char* inputs = reinterpret_cast<const char*>(x);
  for (std::uint32_t step = 0; step < steps; ++step) {
    alignas(32) float buffer[group_rows];
    const float* weights = weights_of_step(values, buffer) + First;
    NMT_PRUNE_UNROLL
    for (int r = 0; r < Rows; ++r) {
      const std::size_t offset = offsets[(First + r) / Block];
      const float* column = reinterpret_cast<const float*>(inputs + offset * tile);
      const Floats<Lanes> weight = broadcast<Lanes>(weights[r]);
      NMT_PRUNE_UNROLL
      for (int c = 0; c < Count; ++c) sums[r][c] += weight * load<Lanes>(column + c * Lanes);
    }
    offsets += offsets_per_step;
    values += group_rows;
  }
}

template <class Value, int Lanes, int Count, int Block, int First, int Rows>
NMT_PRUNE_INLINE void sum_group(const std::uint16_t* offsets, const Value* values, std::uint32_t steps, const float* x,
                                const std::uint8_t* order, bool add, float* sums) {
  constexpr int tile = Lanes * Count;
  Floats<Lanes> rows[Rows][Count] = {};
  sum_rows<Value, Lanes, Count, Block, First, Rows>(offsets, values, steps, x, rows);
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
    const float* inputs = x + panel * weights.panel_columns * tile;
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

// One token: eight rows side by side, each with its own input.
template <class Value, int Block>
void sum_window_of_one(const SparseLayout& weights, std::int64_t window, const float* x, float* sums) {
  for (std::int64_t panel = 0; panel < weights.panels; ++panel) {
    const std::int64_t part = window * weights.panels + panel;
    const std::uint32_t* starts = weights.starts + part * window_groups;
    const std::uint8_t* order = weights.order + part * window_rows;
    const char* inputs = reinterpret_cast<const char*>(x + panel * weights.panel_columns);
    const std::uint16_t* offsets = weights.offsets + static_cast<std::size_t>(starts[0]) * (group_rows / Block);
    const Value* values = static_cast<const Value*>(weights.values) + static_cast<std::size_t>(starts[0]) * group_rows;
    for (int group = 0; group < window_groups; ++group, order += group_rows) {
      float rows[group_rows] = {};
      for (std::uint32_t steps = starts[group + 1] - starts[group]; steps > 0; --steps) {
        alignas(32) float buffer[group_rows];
        const float* step = weights_of_step(values, buffer);
        NMT_PRUNE_UNROLL
        for (int r = 0; r < group_rows; ++r) {
          float input;
          std::memcpy(&input, inputs + offsets[r / Block], sizeof input);
          rows[r] += step[r] * input;
        }
        offsets += group_rows / Block;
        values += group_rows;
      }
      for (int r = 0; r < group_rows; ++r) sums[order[r]] = panel > 0 ? sums[order[r]] + rows[r] : rows[r];
    }
  }
}

template <class Value, int Block>
void sum_window_of_tile(const SparseLayout& weights, std::int64_t window, const float* x, int tile, float* sums) {
  // Registers: 16 of 16 or 32 bytes, 32 of 64 bytes.
  switch (tile) {
    case 1: return sum_window_of_one<Value, Block>(weights, window, x, sums);
#if defined(__AVX512F__)
    case 8: return sum_window<Value, 8, 1, Block, 8>(weights, window, x, sums);
    case 16: return sum_window<Value, 16, 1, Block, 8>(weights, window, x, sums);
    case 32: return sum_window<Value, 16, 2, Block, 8>(weights, window, x, sums);
#elif defined(__AVX2__)
    case 8: return sum_window<Value, 8, 1, Block, 8>(weights, window, x, sums);
    case 16: return sum_window<Value, 8, 2, Block, 4>(weights, window, x, sums);
    case 24: return sum_window<Value, 8, 3, Block, 4>(weights, window, x, sums);
#else
    case 4: return sum_window<Value, 4, 1, Block, 8>(weights, window, x, sums);
    case 8: return sum_window<Value, 4, 2, Block, 4>(weights, window, x, sums);
#endif
  }
}

int sparse_tile(std::int64_t tokens) {
  if (tokens == 1) return 1;
#if defined(__AVX512F__)
  return tokens <= 8 ? 8 : tokens <= 16 ? 16 : 32;
#elif defined(__AVX2__)
  return tokens <= 8 ? 8 : tokens <= 16 ? 16 : 24;
#else
  return tokens <= 4 ? 4 : 8;
#endif
}

void sparse_window(const SparseLayout& weights, std::int64_t window, const float* x, int tile, float* sums) {
  const bool blocks = weights.block > 1;
  switch (weights.type) {
    case ValueType::float32:
      return blocks ? sum_window_of_tile<float, 4>(weights, window, x, tile, sums)
                    : sum_window_of_tile<float, 1>(weights, window, x, tile, sums);
    case ValueType::float16:
      return blocks ? sum_window_of_tile<std::uint16_t, 4>(weights, window, x, tile, sums)
                    : sum_window_of_tile<std::uint16_t, 1>(weights, window, x, tile, sums);
    case ValueType::int8:
      return blocks ? sum_window_of_tile<std::int8_t, 4>(weights, window, x, tile, sums)
                    : sum_window_of_tile<std::int8_t, 1>(weights, window, x, tile, sums);
  }
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
