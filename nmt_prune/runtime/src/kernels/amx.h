// Dense int8 products of batches by AMX: tiles of 16 tokens and 64 columns times tiles of 64 columns and 16 rows.
#pragma once
#include "dense_int8.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

constexpr int tile_tokens = 16;
constexpr int tile_rows = 16;  // half of a panel
constexpr int tile_fours = 16;  // of columns
constexpr int tile_bytes = 4 * tile_fours;  // of a token, and of rows' four columns
constexpr int panel_bytes = 4 * panel_rows;  // of a panel's four columns
static_assert(panel_rows == 2 * tile_rows, "a panel has two tiles of rows");

struct TileShapes {
  std::uint8_t palette, first_row, unused[14];
  std::uint16_t bytes_of_row[16];
  std::uint8_t rows[16];
};
alignas(64) constexpr TileShapes all_full = {
    1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

// Sums of 16 tokens over the columns that no tile has.
void add_last_columns(const std::int8_t* bytes, std::int64_t fours, const Quantized* x, std::int64_t stride,
                      std::int32_t (*sums)[panel_rows]) {
  constexpr int vectors = panel_rows / dot_lanes;
  for (int t = 0; t < tile_tokens; ++t, x += stride) {
    Sums of_token[vectors];
    for (Sums& some : of_token) some = no_sums();
    for (std::int64_t four = 0; four < fours; ++four)
      for (int v = 0; v < vectors; ++v)
        of_token[v] =
            add_dots(of_token[v], weights_at(bytes + four * panel_bytes + v * dot_lanes * 4), x + four * 4);
    std::memcpy(sums[t], of_token, sizeof of_token);
  }
}

// A panel times 16 tokens, and 16 others unless these are null. Tiles 0 and 1 have the sums of the ones, 2 and 3 of the
// others, 4 and 5 their inputs, 6 and 7 weights.
void multiply_tiles(const std::int8_t* bytes, std::int64_t columns4, const Quantized* x, const Quantized* others,
                    std::int32_t (*sums)[tile_tokens][panel_rows]) {
  const std::int64_t stride = columns4 * 4, full = columns4 / tile_fours, rest = columns4 % tile_fours;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  if (rest > 0) {
    const std::int8_t* last = bytes + full * tile_fours * panel_bytes;
    add_last_columns(last, rest, x + full * tile_bytes, stride, sums[0]);
    if (others) add_last_columns(last, rest, others + full * tile_bytes, stride, sums[1]);
    __asm__ volatile("" ::: "memory");  // compilers do not know that a tile's load reads what was stored
    _tile_loadd(0, sums[0][0], panel_bytes);
    _tile_loadd(1, sums[0][0] + tile_rows, panel_bytes);
    if (others) {
      _tile_loadd(2, sums[1][0], panel_bytes);
      _tile_loadd(3, sums[1][0] + tile_rows, panel_bytes);
    }
  }
  for (std::int64_t k = 0; k < full; ++k, bytes += tile_fours * panel_bytes) {
    _tile_loadd(4, x + k * tile_bytes, stride);
    _tile_loadd(6, bytes, panel_bytes);
    _tile_loadd(7, bytes + tile_bytes, panel_bytes);
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    if (others) {
      _tile_loadd(5, others + k * tile_bytes, stride);
      _tile_dpbusd(2, 5, 6);
      _tile_dpbusd(3, 5, 7);
    }
  }
  _tile_stored(0, sums[0][0], panel_bytes);
  _tile_stored(1, sums[0][0] + tile_rows, panel_bytes);
  if (others) {
    _tile_stored(2, sums[1][0], panel_bytes);
    _tile_stored(3, sums[1][0] + tile_rows, panel_bytes);
  }
}

// Tokens that fill a tile lie one after the other.
std::int64_t most_by_tiles(std::int64_t tokens) { return tokens < tile_tokens ? int8_most(tokens) : 1; }

// Where tokens do not fill the last tile, it takes some that another has, too.
void dense_int8_by_tiles(const DenseInt8Layout& weights, const void* quantized, const float* scales,
                         std::int64_t tokens, const float* bias, bool relu, float* output) {
  if (tokens < tile_tokens) return dense_int8(weights, quantized, scales, tokens, bias, relu, output);
  const Int8Job job{weights.rows, weights.scales, weights.totals, bias, relu};
  const Quantized* x = static_cast<const Quantized*>(quantized);
  const std::int64_t stride = weights.columns4 * 4, last = tokens - tile_tokens;
  if (weights.fours) {  // another instruction set has laid them out in pairs
    for (std::int64_t t = 0; t < tokens; ++t)
      dense_int8(weights, x + t * stride, scales + t, 1, bias, relu, output + t * weights.rows);
    return;
  }
  alignas(64) std::int32_t sums[2][tile_tokens][panel_rows];
  _tile_loadconfig(&all_full);
  for (std::int64_t panel = 0; panel < weights.panels; ++panel) {
    const std::int8_t* bytes = weights.values + panel * weights.columns4 * panel_bytes;
    const std::int64_t row = panel * panel_rows;
    for (std::int64_t t = 0; t < tokens; t += 2 * tile_tokens) {
      const std::int64_t firsts[] = {t < last ? t : last, t + tile_tokens < last ? t + tile_tokens : last};
      const int tiles = t < last ? 2 : 1;
      multiply_tiles(bytes, weights.columns4, x + firsts[0] * stride, tiles > 1 ? x + firsts[1] * stride : nullptr,
                     sums);
      for (int i = 0; i < tiles; ++i)
        finish_int8<tile_tokens>(job, sums[i], row, weights.rows - row, scales + firsts[i],
                                 output + firsts[i] * weights.rows);
    }
  }
  _tile_release();
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
