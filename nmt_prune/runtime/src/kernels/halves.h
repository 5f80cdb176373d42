// Floats of 16 bits, as vectors of floats of 32.
#pragma once
#include "../half.h"
#include "exponential.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

constexpr float largest_half = 65504.0f;

NMT_PRUNE_INLINE float single(const float* from) { return *from; }
NMT_PRUNE_INLINE float single(const Half* from) { return half_to_float(from->bits); }

NMT_PRUNE_INLINE Vector load(const Half* from) {
#if defined(__AVX512F__)
  return reinterpret_cast<Vector>(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
#elif defined(__F16C__)
  return reinterpret_cast<Vector>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__ARM_NEON)
  return reinterpret_cast<Vector>(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(&from->bits))));
#else
  Vector result;
  for (int lane = 0; lane < width; ++lane) result[lane] = half_to_float(from[lane].bits);
  return result;
#endif
}

// Not a number stays what it is.
NMT_PRUNE_INLINE Half half(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint16_t sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) return {static_cast<std::uint16_t>(sign | 0x7e00)};
  float magnitude;
  std::memcpy(&magnitude, &bits, sizeof magnitude);
  if (magnitude >= largest_half) return {static_cast<std::uint16_t>(sign | 0x7bff)};
  if (magnitude < 0x1p-14f) {  // subnormal: a multiple of 2^-24, which an addition rounds to
    magnitude += 0x1p-1f;
    std::memcpy(&bits, &magnitude, sizeof bits);
    return {static_cast<std::uint16_t>(sign | (bits - 0x3f000000))};
  }
  bits += 0xfff + (bits >> 13 & 1);
  return {static_cast<std::uint16_t>(sign | (bits - 0x38000000) >> 13)};
}

void to_half(const float* from, std::int64_t size, Half* to) {
  std::int64_t i = 0;
#if defined(__F16C__)
  const __m256 most = _mm256_set1_ps(largest_half), least = _mm256_set1_ps(-largest_half);
  for (; i + 8 <= size; i += 8) {
    // The second operand is the result where one is not a number.
    const __m256 bounded = _mm256_max_ps(least, _mm256_min_ps(most, _mm256_loadu_ps(from + i)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm256_cvtps_ph(bounded, _MM_FROUND_TO_NEAREST_INT));
  }
#endif
  for (; i < size; ++i) to[i] = half(from[i]);
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
