// How weights lie in memory: the same for every instruction set, so that any of them runs any matrix.
#pragma once
#include <cstdint>

namespace nmt_prune {

enum class ValueType { float32, float16, int8 };

// Sparse weights in windows of rows and panels of columns. Within a panel of a window, rows are sorted by their number
// of nonzeros and taken eight at a time: a step holds the next nonzero of each of the eight, padded with zeros to the
// longest of them (SELL, Kreutzer et al. 2014). Four consecutive rows with the same columns share one offset per step
// (block = 4).
constexpr int group_rows = 8;
constexpr int window_rows = 256;
constexpr int window_groups = window_rows / group_rows;
// Bytes per column that an offset counts: with 16, the addresses of tiles of 4, 8, 16 and 32 tokens are scaled by 1, 2,
// 4 and 8, which costs nothing.
constexpr int offset_unit = 16;
// Columns of which a tile of tokens stays in a first-level cache; an offset has 16 bits.
constexpr int panel_columns = 512;
static_assert(panel_columns * offset_unit <= 65536, "offsets have 16 bits");

struct SparseLayout {
  std::int64_t rows, columns;
  std::int64_t windows, panels;
  int block;                      // 1 or 4
  ValueType type;
  const std::uint32_t* starts;    // (windows * panels * window_groups + 1): the first step of each group
  const std::uint8_t* order;      // (windows * panels * window_rows): the row of the window in each place
  const std::uint16_t* offsets;   // (steps * 8 / block): offset_unit * column within the panel
  const void* values;             // (steps * 8)
  const float* scales;            // (windows * window_rows) of int8 values, or null
};

// Sparse int8 weights for dot products of four bytes per lane. Windows of 64 rows are sorted by their number of nonzeros
// and taken in groups, a lane for each row. A step holds up to four more nonzeros of each row of a group, as far as they
// lie within 64 columns: a token's inputs there fit a register of 64 bytes, or four of 16, among which an instruction
// looks them up. The columns of a step begin with the row that is least far.
constexpr int lookup_columns = 64;
constexpr int lookup_rows = 32;  // of a group: its lookups share the loads of inputs
constexpr int lookup_window = 64;
constexpr int lookup_groups = lookup_window / lookup_rows;
constexpr int lookup_bytes = 4 * lookup_rows;
constexpr int lookup_tile = 8;  // tokens whose sums stay in registers

struct LookupLayout {
  std::int64_t rows, columns;
  std::int64_t stride;            // columns, rounded up to 64
  std::int64_t windows;
  const std::uint32_t* starts;    // (windows * 2 + 1): the first step of each group
  const std::uint8_t* places;     // (windows * 64): where each row of the window went
  const std::uint16_t* firsts;    // (steps): the first column
  const std::uint8_t* steps;      // (steps, 2, 32, 4): columns from the first on, then values; padded with zeros
  const float* scales;            // (windows * 64)
  const std::int32_t* totals;     // (windows * 64): sums of rows' values
};

// Dense weights in panels of 32 rows: within one, the 32 weights of a column follow each other; rows past the last are
// zero.
constexpr int panel_rows = 32;

struct DenseLayout {
  std::int64_t rows, columns, panels;
  const float* values;  // (panels, columns, 32)
};

// Dense int8: as above, with four columns together: one dot product of four bytes per lane. columns4 = columns / 4,
// rounded up. Where products are added in pairs (pairs.h), each half of a panel has its fours of columns in an order of
// its own.
constexpr int half_rows = panel_rows / 2;

struct DenseInt8Layout {
  std::int64_t rows, columns, columns4, panels;
  const std::int8_t* values;   // (panels, columns4, 32, 4)
  const float* scales;         // (panels * 32)
  const std::int32_t* totals;  // (panels * 32): sums of rows' values
  const std::uint16_t* fours;   // (panels, columns4, 2): the first column, divided by four, in each half; or null
  const std::uint16_t* paired;  // (panels, 2): how many come in pairs, before the others
};

// The blocks of dense int8 weights that are not empty, of 8 rows and four columns: as many bytes as a register of AVX2
// has. Panels of 8 rows have blocks of their own, those that come in pairs first (pairs.h).
constexpr int block_rows = 8;
constexpr int block_columns = 4;
constexpr int block_bytes = block_rows * block_columns;

struct BlockLayout {
  std::int64_t rows, columns4, panels;
  const std::uint32_t* starts;  // (panels + 1): the first block of each panel
  const std::uint16_t* paired;  // (panels): how many blocks come in pairs
  const std::uint16_t* fours;   // (blocks): the first column, divided by four
  const std::int8_t* values;    // (blocks, 8, 4)
  const float* scales;          // (panels * 8)
  const std::int32_t* totals;   // (panels * 8): sums of rows' values
};

}  // namespace nmt_prune
