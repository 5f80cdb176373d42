// Sparse int8 weights times 32 tokens that are quantized to 16 bits on the fly: half the bytes of float inputs, and two
// weights per instruction. The error is 2^-16 of a token's largest input, far below that of the weights.
#pragma once
#include "sparse.h"
#include "tiles.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

#if defined(__AVX512VNNI__)

constexpr int words_tile = 32;
constexpr float largest_word = 32767.0f;
// A row of a panel is summed in 32 bits.
static_assert(std::int64_t{panel_columns} * 128 * 32767 <= INT32_MAX, "sums could overflow");

bool in_words(ValueType type, int tile) { return type == ValueType::int8 && tile == words_tile; }

// Scales of the tokens, then (columns x 32) words. Within each eight words, the first four are of tokens 0-15 and the
// last four of tokens 16-31: so that interleaving two columns leaves each half in order.
void transpose_words(const float* input, std::int64_t tokens, std::int64_t columns, float* transposed) {
  alignas(64) float inverses[words_tile] = {};
  for (int t = 0; t < words_tile; ++t) {
    const float largest = t < tokens ? largest_magnitude(input + t * columns, columns) : 0.0f;
    transposed[t] = largest / largest_word;
    inverses[t] = largest > 0.0f ? largest_word / largest : 0.0f;
  }
  const __m512 inverse[2] = {_mm512_load_ps(inverses), _mm512_load_ps(inverses + 16)};
  std::int16_t* words = reinterpret_cast<std::int16_t*>(transposed + words_tile);
  const TokenRows<16> halves[2] = {{input, 0, tokens, columns}, {input, 16, tokens, columns}};
  for (std::int64_t column = 0; column < columns; column += 16) {
    const std::int64_t left = columns - column;
    Floats16 block[2][16];
    for (int half = 0; half < 2; ++half) load_block<16>(halves[half], column, columns, block[half]);
    for (int c = 0; c < 16 && c < left; ++c) {
      const __m512i first = _mm512_cvtps_epi32(_mm512_mul_ps(block[0][c], inverse[0]));
      const __m512i second = _mm512_cvtps_epi32(_mm512_mul_ps(block[1][c], inverse[1]));
      _mm512_storeu_si512(words + (column + c) * words_tile, _mm512_packs_epi32(first, second));
    }
  }
}

// Two steps: for each of eight rows, two weights as the words of one lane.
NMT_PRUNE_INLINE __m512i weight_pairs(const std::int8_t* first, const std::int8_t* second) {
  const __m128i low = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(first));
  const __m128i high = second ? _mm_loadl_epi64(reinterpret_cast<const __m128i*>(second)) : _mm_setzero_si128();
  return _mm512_castsi256_si512(_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(low, high)));
}

template <int Block>
NMT_PRUNE_INLINE void add_pair(const std::uint16_t* offsets, const std::uint16_t* next_offsets, __m512i pairs,
                               const char* words, __m512i (&sums)[group_rows][2]) {
  constexpr std::size_t scale = words_tile * sizeof(std::int16_t) / offset_unit;
  const Offsets<Block> first(offsets), second(next_offsets);
  NMT_PRUNE_UNROLL
  for (int r = 0; r < group_rows; ++r) {
    const __m512i a = _mm512_loadu_si512(words + first.of(r) * scale);
    const __m512i b = _mm512_loadu_si512(words + second.of(r) * scale);
    const __m512i weights = _mm512_permutexvar_epi32(_mm512_set1_epi32(r), pairs);
    sums[r][0] = _mm512_dpwssd_epi32(sums[r][0], _mm512_unpacklo_epi16(a, b), weights);
    sums[r][1] = _mm512_dpwssd_epi32(sums[r][1], _mm512_unpackhi_epi16(a, b), weights);
  }
}

template <int Block>
void sum_words(const SparseLayout& weights, std::int64_t window, const float* x, float* sums) {
  constexpr int step_offsets = group_rows / Block;
  const __m512 scales[2] = {_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16)};
  const char* words = reinterpret_cast<const char*>(x + words_tile);
  for (std::int64_t panel = 0; panel < weights.panels; ++panel) {
    const std::int64_t part = window * weights.panels + panel;
    const std::uint32_t* starts = weights.starts + part * window_groups;
    const std::uint8_t* order = weights.order + part * window_rows;
    const char* inputs = words + panel * panel_columns * words_tile * sizeof(std::int16_t);
    for (int group = 0; group < window_groups; ++group, order += group_rows) {
      const std::uint16_t* offsets = weights.offsets + static_cast<std::size_t>(starts[group]) * step_offsets;
      const std::int8_t* values =
          static_cast<const std::int8_t*>(weights.values) + static_cast<std::size_t>(starts[group]) * group_rows;
      __m512i rows[group_rows][2];
      for (auto& row : rows) row[0] = row[1] = _mm512_setzero_si512();
      std::uint32_t steps = starts[group + 1] - starts[group];
      for (; steps >= 2; steps -= 2, offsets += 2 * step_offsets, values += 2 * group_rows) {
        prefetch(values + prefetched_bytes);
        prefetch(offsets + prefetched_bytes / 2);
        add_pair<Block>(offsets, offsets + step_offsets, weight_pairs(values, values + group_rows), inputs, rows);
      }
      if (steps) add_pair<Block>(offsets, offsets, weight_pairs(values, nullptr), inputs, rows);
      for (int r = 0; r < group_rows; ++r) {
        float* target = sums + order[r] * words_tile;
        for (int half = 0; half < 2; ++half) {
          __m512 sum = _mm512_mul_ps(_mm512_cvtepi32_ps(rows[r][half]), scales[half]);
          if (panel > 0) sum = _mm512_add_ps(sum, _mm512_loadu_ps(target + 16 * half));
          _mm512_storeu_ps(target + 16 * half, sum);
        }
      }
    }
  }
}

#endif

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
