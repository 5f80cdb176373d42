// What AMX's instructions do, for CPUs without them: as Intel's manual says, and strict where real ones are.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tiles {

constexpr int count = 8, rows = 16, bytes_of_row = 64;
struct Tile {
  std::uint8_t bytes[rows][bytes_of_row];
};
inline Tile tile[count];
inline bool configured = false;

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

inline Tile& at(int number) {
  require(configured, "tiles are used without a configuration");
  require(number >= 0 && number < count, "there are eight tiles");
  return tile[number];
}

inline void load_config(const void* config) {
  const auto* bytes = static_cast<const std::uint8_t*>(config);
  require(bytes[0] == 1, "the palette is not 1");
  for (int i = 1; i < 16; ++i) require(bytes[i] == 0, "what is reserved is not 0");
  std::uint16_t widths[16];
  std::memcpy(widths, bytes + 16, sizeof widths);
  for (int i = 0; i < 16; ++i) {
    require(widths[i] == (i < count ? bytes_of_row : 0), "a tile is not as wide as it can be");
    require(bytes[48 + i] == (i < count ? rows : 0), "a tile has not as many rows as it can have");
  }
  configured = true;
  std::memset(tile, 0, sizeof tile);
}

inline void release() { configured = false; }
inline void zero(int to) { std::memset(&at(to), 0, sizeof(Tile)); }
inline void load(int to, const void* from, std::int64_t stride) {
  for (int row = 0; row < rows; ++row)
    std::memcpy(at(to).bytes[row], static_cast<const std::uint8_t*>(from) + row * stride, bytes_of_row);
}
inline void store(int from, void* to, std::int64_t stride) {
  for (int row = 0; row < rows; ++row)
    std::memcpy(static_cast<std::uint8_t*>(to) + row * stride, at(from).bytes[row], bytes_of_row);
}

// Sums of 32 bits; unsigned bytes times signed ones, of which four lie together.
inline void add_products(int sums, int a, int b) {
  for (int m = 0; m < rows; ++m) {
    for (int n = 0; n < bytes_of_row / 4; ++n) {
      std::int32_t sum;
      std::memcpy(&sum, &at(sums).bytes[m][4 * n], sizeof sum);
      for (int k = 0; k < rows; ++k)
        for (int i = 0; i < 4; ++i)
          sum += at(a).bytes[m][4 * k + i] * static_cast<std::int8_t>(at(b).bytes[k][4 * n + i]);
      std::memcpy(&at(sums).bytes[m][4 * n], &sum, sizeof sum);
    }
  }
}

}  // namespace tiles

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbusd
#define _tile_loadconfig tiles::load_config
#define _tile_release tiles::release
#define _tile_zero tiles::zero
#define _tile_loadd tiles::load
#define _tile_stored tiles::store
#define _tile_dpbusd tiles::add_products
