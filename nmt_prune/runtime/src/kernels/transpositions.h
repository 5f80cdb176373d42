// Square blocks of floats, transposed in registers: N rows of N lanes.
#pragma once
#include "simd.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

#if defined(__clang__)
#define NMT_PRUNE_SHUFFLE4(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int Ints4 __attribute__((vector_size(16)));
#define NMT_PRUNE_SHUFFLE4(a, b, i, j, k, l) __builtin_shuffle(a, b, Ints4{i, j, k, l})
#endif

NMT_PRUNE_INLINE void transpose_block(Floats4 (&rows)[4]) {
  const Floats4 a = NMT_PRUNE_SHUFFLE4(rows[0], rows[1], 0, 4, 1, 5);
  const Floats4 b = NMT_PRUNE_SHUFFLE4(rows[0], rows[1], 2, 6, 3, 7);
  const Floats4 c = NMT_PRUNE_SHUFFLE4(rows[2], rows[3], 0, 4, 1, 5);
  const Floats4 d = NMT_PRUNE_SHUFFLE4(rows[2], rows[3], 2, 6, 3, 7);
  rows[0] = NMT_PRUNE_SHUFFLE4(a, c, 0, 1, 4, 5);
  rows[1] = NMT_PRUNE_SHUFFLE4(a, c, 2, 3, 6, 7);
  rows[2] = NMT_PRUNE_SHUFFLE4(b, d, 0, 1, 4, 5);
  rows[3] = NMT_PRUNE_SHUFFLE4(b, d, 2, 3, 6, 7);
}

#if defined(__AVX2__)
// Four rows; the 128-bit parts apart.
NMT_PRUNE_INLINE void transpose_parts(Floats8* rows) {
  const __m256 a = _mm256_unpacklo_ps(rows[0], rows[1]), b = _mm256_unpackhi_ps(rows[0], rows[1]);
  const __m256 c = _mm256_unpacklo_ps(rows[2], rows[3]), d = _mm256_unpackhi_ps(rows[2], rows[3]);
  rows[0] = _mm256_shuffle_ps(a, c, 0x44);
  rows[1] = _mm256_shuffle_ps(a, c, 0xee);
  rows[2] = _mm256_shuffle_ps(b, d, 0x44);
  rows[3] = _mm256_shuffle_ps(b, d, 0xee);
}

NMT_PRUNE_INLINE void transpose_block(Floats8 (&rows)[8]) {
  transpose_parts(rows);
  transpose_parts(rows + 4);
  NMT_PRUNE_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m256 low = rows[i], high = rows[i + 4];
    rows[i] = _mm256_permute2f128_ps(low, high, 0x20);
    rows[i + 4] = _mm256_permute2f128_ps(low, high, 0x31);
  }
}
#endif

#if defined(__AVX512F__)
NMT_PRUNE_INLINE void transpose_parts(Floats16* rows) {
  const __m512 a = _mm512_unpacklo_ps(rows[0], rows[1]), b = _mm512_unpackhi_ps(rows[0], rows[1]);
  const __m512 c = _mm512_unpacklo_ps(rows[2], rows[3]), d = _mm512_unpackhi_ps(rows[2], rows[3]);
  rows[0] = _mm512_shuffle_ps(a, c, 0x44);
  rows[1] = _mm512_shuffle_ps(a, c, 0xee);
  rows[2] = _mm512_shuffle_ps(b, d, 0x44);
  rows[3] = _mm512_shuffle_ps(b, d, 0xee);
}

NMT_PRUNE_INLINE void transpose_block(Floats16 (&rows)[16]) {
  NMT_PRUNE_UNROLL
  for (int i = 0; i < 16; i += 4) transpose_parts(rows + i);
  NMT_PRUNE_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m512 a = _mm512_shuffle_f32x4(rows[i], rows[i + 4], 0x44);
    const __m512 b = _mm512_shuffle_f32x4(rows[i], rows[i + 4], 0xee);
    const __m512 c = _mm512_shuffle_f32x4(rows[i + 8], rows[i + 12], 0x44);
    const __m512 d = _mm512_shuffle_f32x4(rows[i + 8], rows[i + 12], 0xee);
    rows[i] = _mm512_shuffle_f32x4(a, c, 0x88);
    rows[i + 4] = _mm512_shuffle_f32x4(a, c, 0xdd);
    rows[i + 8] = _mm512_shuffle_f32x4(b, d, 0x88);
    rows[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
}
#endif

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
