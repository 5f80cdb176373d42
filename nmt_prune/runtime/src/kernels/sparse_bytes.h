// Sparse int8 weights times 64 tokens that are quantized to 8 bits on the fly, as in dense_int8.h: a quarter of the bytes
// of float inputs, and four weights per instruction. An input errs by at most 1/254 of its token's largest one, so a
// product by at most that times the sum of the magnitudes of a row's weights.
#pragma once
#include "sparse.h"
#include "tiles.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

#if defined(__AVX512VNNI__)

constexpr int bytes_tile = 64;
constexpr float largest_byte = 127.0f;
constexpr int pass_rows = 4, dot_steps = 4;  // rows and steps that share registers
// Inputs are unsigned for the instruction's sake: 128 times the weights is too much.
constexpr char zero_input = static_cast<char>(128);

bool in_bytes(ValueType type, int tile) { return type == ValueType::int8 && tile == bytes_tile; }

// 64 inputs of one token as bytes. Lane 4 * i + j is of the columns 16 * j + 4 * i and the three that follow.
NMT_PRUNE_INLINE Floats16 quantized_columns(const float* from, std::int64_t count, float inverse) {
  __m512i whole[4];
  NMT_PRUNE_UNROLL
  for (int part = 0; part < 4; ++part)
    whole[part] = _mm512_cvtps_epi32(load_some<16>(from + 16 * part, count - 16 * part) * inverse);
  const __m512i bytes =
      _mm512_packs_epi16(_mm512_packs_epi32(whole[0], whole[1]), _mm512_packs_epi32(whole[2], whole[3]));
  return _mm512_castsi512_ps(_mm512_xor_si512(bytes, _mm512_set1_epi8(zero_input)));
}

// Four columns of 64 tokens, sixteen in each part, a token in each lane. Becomes a column in each vector: of each 16
// bytes, four are of the first part, four of the second, and so on, so that interleaving four columns leaves the tokens
// of each part in order.
NMT_PRUNE_INLINE void split_columns(__m512i (&parts)[4]) {
  const __m512i by_column = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  for (__m512i& part : parts) part = _mm512_shuffle_epi8(part, by_column);
  const __m512i a = _mm512_unpacklo_epi32(parts[0], parts[1]), b = _mm512_unpackhi_epi32(parts[0], parts[1]);
  const __m512i c = _mm512_unpacklo_epi32(parts[2], parts[3]), d = _mm512_unpackhi_epi32(parts[2], parts[3]);
  parts[0] = _mm512_unpacklo_epi64(a, c);
  parts[1] = _mm512_unpackhi_epi64(a, c);
  parts[2] = _mm512_unpacklo_epi64(b, d);
  parts[3] = _mm512_unpackhi_epi64(b, d);
}

// Scales of the tokens, then (columns x 64) bytes.
void transpose_bytes(const float* input, std::int64_t tokens, std::int64_t columns, float* transposed) {
  const TokenRows<bytes_tile> rows(input, 0, tokens, columns);
  float inverses[bytes_tile];
  for (int t = 0; t < bytes_tile; ++t) {
    const float largest = t < tokens ? largest_magnitude(rows.row[t], columns) : 0.0f;
    transposed[t] = largest / largest_byte;
    inverses[t] = largest > 0.0f ? largest_byte / largest : 0.0f;
  }
  char* bytes = reinterpret_cast<char*>(transposed + bytes_tile);
  const std::int64_t occupied = (tokens + 15) / 16;  // parts with tokens; what the others hold nobody reads
  Floats16 blocks[4][16] = {};
  for (std::int64_t column = 0; column < columns; column += 64) {
    for (int part = 0; part < occupied; ++part) {
      for (int t = 0; t < 16; ++t)
        blocks[part][t] =
            quantized_columns(rows.row[16 * part + t] + column, columns - column, inverses[16 * part + t]);
      transpose_block(blocks[part]);
    }
    for (int lane = 0; lane < 16; ++lane) {
      const std::int64_t first = column + 16 * (lane % 4) + lane / 4 * 4;
      __m512i parts[4];
      for (int part = 0; part < 4; ++part) parts[part] = _mm512_castps_si512(blocks[part][lane]);
      split_columns(parts);
      for (int c = 0; c < 4 && first + c < columns; ++c)
        _mm512_storeu_si512(bytes + (first + c) * bytes_tile, parts[c]);
    }
  }
}

NMT_PRUNE_INLINE __m128i four_bytes(const std::int8_t* at) {
  std::int32_t four;
  std::memcpy(&four, at, sizeof four);
  return _mm_cvtsi32_si128(four);
}

// The weights of four rows in so many steps, those of one row as the bytes of a lane.
template <int Steps>
NMT_PRUNE_INLINE __m128i weights_by_row(const std::int8_t* values) {
  const __m128i none = _mm_setzero_si128();
  const __m128i first = four_bytes(values), second = Steps > 1 ? four_bytes(values + group_rows) : none;
  const __m128i third = Steps > 2 ? four_bytes(values + 2 * group_rows) : none;
  const __m128i fourth = Steps > 3 ? four_bytes(values + 3 * group_rows) : none;
  return _mm_unpacklo_epi16(_mm_unpacklo_epi8(first, second), _mm_unpacklo_epi8(third, fourth));
}

struct PassSums {
  __m512i rows[pass_rows][4];
  __m128i zeros;  // what zero_input adds to each row
};

template <int Block, int First, int Steps>
NMT_PRUNE_INLINE void add_dots(const std::uint16_t* offsets, const std::int8_t* values, const char* inputs,
                               PassSums& sums) {
  constexpr std::size_t scale = bytes_tile / offset_unit;
  const __m128i by_row = weights_by_row<Steps>(values + First);
  sums.zeros = _mm_dpbusd_epi32(sums.zeros, _mm_set1_epi8(zero_input), by_row);
  const __m512i weights = _mm512_broadcast_i32x4(by_row);
  NMT_PRUNE_UNROLL
  for (int r = 0; r < pass_rows; ++r) {
    __m512i step[dot_steps];
    NMT_PRUNE_UNROLL
    for (int s = 0; s < dot_steps; ++s) {
      const std::size_t offset = offsets[((s < Steps ? s : 0) * group_rows + First + r) / Block];
      step[s] = _mm512_loadu_si512(inputs + offset * scale);
    }
    const __m512i a = _mm512_unpacklo_epi8(step[0], step[1]), b = _mm512_unpackhi_epi8(step[0], step[1]);
    const __m512i c = _mm512_unpacklo_epi8(step[2], step[3]), d = _mm512_unpackhi_epi8(step[2], step[3]);
    const __m512i weight = r == 0   ? _mm512_shuffle_epi32(weights, _MM_PERM_AAAA)
                           : r == 1 ? _mm512_shuffle_epi32(weights, _MM_PERM_BBBB)
                           : r == 2 ? _mm512_shuffle_epi32(weights, _MM_PERM_CCCC)
                                    : _mm512_shuffle_epi32(weights, _MM_PERM_DDDD);
    sums.rows[r][0] = _mm512_dpbusd_epi32(sums.rows[r][0], _mm512_unpacklo_epi16(a, c), weight);
    sums.rows[r][1] = _mm512_dpbusd_epi32(sums.rows[r][1], _mm512_unpackhi_epi16(a, c), weight);
    sums.rows[r][2] = _mm512_dpbusd_epi32(sums.rows[r][2], _mm512_unpacklo_epi16(b, d), weight);
    sums.rows[r][3] = _mm512_dpbusd_epi32(sums.rows[r][3], _mm512_unpackhi_epi16(b, d), weight);
  }
}

// Rows First..First+4 of one group.
template <int Block, int First>
NMT_PRUNE_INLINE void sum_pass(const std::uint16_t* offsets, const std::int8_t* values, std::uint32_t steps,
                               const char* inputs, const std::uint8_t* order, const float* scales, bool add,
                               float* sums) {
  constexpr int step_offsets = group_rows / Block;
  PassSums pass;
  for (auto& row : pass.rows)
    for (__m512i& part : row) part = _mm512_setzero_si512();
  pass.zeros = _mm_setzero_si128();
  for (; steps >= dot_steps; steps -= dot_steps) {
    if (First == 0) {  // the second pass finds them
      prefetch(values + prefetched_bytes);
      prefetch(offsets + prefetched_bytes / sizeof *offsets);
    }
    add_dots<Block, First, dot_steps>(offsets, values, inputs, pass);
    offsets += dot_steps * step_offsets;
    values += dot_steps * group_rows;
  }
  switch (steps) {
    case 1: add_dots<Block, First, 1>(offsets, values, inputs, pass); break;
    case 2: add_dots<Block, First, 2>(offsets, values, inputs, pass); break;
    case 3: add_dots<Block, First, 3>(offsets, values, inputs, pass); break;
  }
  alignas(16) std::int32_t zeros[pass_rows];
  _mm_store_si128(reinterpret_cast<__m128i*>(zeros), pass.zeros);
  NMT_PRUNE_UNROLL
  for (int r = 0; r < pass_rows; ++r) {
    float* target = sums + order[First + r] * bytes_tile;
    NMT_PRUNE_UNROLL
    for (int part = 0; part < 4; ++part) {
      const __m512i whole = _mm512_sub_epi32(pass.rows[r][part], _mm512_set1_epi32(zeros[r]));
      __m512 sum = _mm512_mul_ps(_mm512_cvtepi32_ps(whole), _mm512_loadu_ps(scales + 16 * part));
      if (add) sum = _mm512_add_ps(sum, _mm512_loadu_ps(target + 16 * part));
      _mm512_storeu_ps(target + 16 * part, sum);
    }
  }
}

template <int Block>
void sum_bytes(const SparseLayout& weights, std::int64_t window, const float* x, float* sums) {
  const char* bytes = reinterpret_cast<const char*>(x + bytes_tile);
  for (std::int64_t panel = 0; panel < weights.panels; ++panel) {
    const std::int64_t part = window * weights.panels + panel;
    const std::uint32_t* starts = weights.starts + part * window_groups;
    const std::uint8_t* order = weights.order + part * window_rows;
    const char* inputs = bytes + panel * panel_columns * bytes_tile;
    for (int group = 0; group < window_groups; ++group, order += group_rows) {
      const std::size_t first = starts[group];
      const std::uint32_t steps = starts[group + 1] - starts[group];
      const std::uint16_t* offsets = weights.offsets + first * (group_rows / Block);
      const std::int8_t* values = static_cast<const std::int8_t*>(weights.values) + first * group_rows;
      sum_pass<Block, 0>(offsets, values, steps, inputs, order, x, panel > 0, sums);
      sum_pass<Block, pass_rows>(offsets, values, steps, inputs, order, x, panel > 0, sums);
    }
  }
}

#endif

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
