// Dot products of four weights (bytes) by four inputs per lane, by whatever the instruction set has for it.
#pragma once
#include "simd.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// What the largest input of a token is rounded to.
#if defined(__AVX2__) && !defined(__AVX512VNNI__) && !defined(__AVXVNNI__)
constexpr float largest_input = 64.0f;  // 2 * (64 + 64) * 127 has 16 bits
#else
constexpr float largest_input = 127.0f;
#endif

// What is added to inputs: the instructions of x86 multiply unsigned bytes by signed ones.
#if defined(__AVX2__)
constexpr std::int32_t input_offset = largest_input > 64.0f ? 128 : 64;
#else
constexpr std::int32_t input_offset = 0;
#endif

NMT_PRUNE_INLINE std::int32_t nearest(float value) {
#if defined(__clang__)
  return static_cast<std::int32_t>(__builtin_rintf(value));
#else
  return __builtin_irintf(value);
#endif
}

// Ties go to the even one.
template <class T>
NMT_PRUNE_INLINE void quantize_some(const float* from, std::int64_t count, float inverse, std::int32_t offset, T* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(nearest(from[i] * inverse) + offset);
}

// Whether products of two groups are added in 16 bits where they fit (pairs.h): three multiplications instead of four.
#if defined(__AVX2__) && !defined(__AVX512BW__) && !defined(__AVXVNNI__)
constexpr bool adds_pairs = true;
#else
constexpr bool adds_pairs = false;
#endif

// Whether a dot product waits some cycles for the sums that it is added to.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__) || defined(__ARM_FEATURE_DOTPROD)
constexpr bool adds_dots_slowly = true;
#else
constexpr bool adds_dots_slowly = false;
#endif

#if defined(__AVX2__)

// Without an instruction for dot products, pairs of products are added in 16 bits, which they must not overflow.
typedef std::uint8_t Quantized;
NMT_PRUNE_INLINE void put_four(const Quantized* from, Quantized* to) { std::memcpy(to, from, 4 * sizeof *to); }
#if defined(__AVX512BW__)
typedef __m512i Sums;
NMT_PRUNE_INLINE Sums no_sums() { return _mm512_setzero_si512(); }
NMT_PRUNE_INLINE Sums load_bytes(const void* at) { return _mm512_loadu_si512(at); }
NMT_PRUNE_INLINE Sums same(std::int32_t four) { return _mm512_set1_epi32(four); }
NMT_PRUNE_INLINE Sums dot(Sums sums, Sums a, Sums b) {
#if defined(__AVX512VNNI__)
  return _mm512_dpbusd_epi32(sums, a, b);
#else
  return _mm512_add_epi32(sums, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1)));
#endif
}
#else
typedef __m256i Sums;
NMT_PRUNE_INLINE Sums add_sums(Sums a, Sums b) { return _mm256_add_epi32(a, b); }
NMT_PRUNE_INLINE Sums no_sums() { return _mm256_setzero_si256(); }
NMT_PRUNE_INLINE Sums load_bytes(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }
NMT_PRUNE_INLINE Sums same(std::int32_t four) { return _mm256_set1_epi32(four); }
NMT_PRUNE_INLINE Sums dot(Sums sums, Sums a, Sums b) {
#if defined(__AVXVNNI__)
  return _mm256_dpbusd_avx_epi32(sums, a, b);
#else
  return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)));
#endif
}
#endif
constexpr int dot_lanes = sizeof(Sums) / 4;
struct Weights { Sums bytes; };
NMT_PRUNE_INLINE Weights weights_at(const std::int8_t* at) { return {load_bytes(at)}; }
NMT_PRUNE_INLINE Sums add_dots(Sums sums, Weights weights, const Quantized* x) {
  std::int32_t four;
  std::memcpy(&four, x, sizeof four);
  return dot(sums, same(four), weights.bytes);
}

#elif defined(__SSE2__)

// Bytes 0 and 2 of each lane as 16-bit words, then bytes 1 and 3.
typedef std::int16_t Quantized;
NMT_PRUNE_INLINE void put_four(const Quantized* from, Quantized* to) {
  const Quantized ordered[4] = {from[0], from[2], from[1], from[3]};
  std::memcpy(to, ordered, sizeof ordered);
}
typedef __m128i Sums;
NMT_PRUNE_INLINE Sums no_sums() { return _mm_setzero_si128(); }
NMT_PRUNE_INLINE Sums load_bytes(const void* at) { return _mm_loadu_si128(static_cast<const __m128i*>(at)); }
NMT_PRUNE_INLINE Sums odd_bytes(Sums a) { return _mm_srai_epi16(a, 8); }
NMT_PRUNE_INLINE Sums even_bytes(Sums a) { return odd_bytes(_mm_slli_epi16(a, 8)); }
NMT_PRUNE_INLINE Sums same(std::int32_t pair) { return _mm_set1_epi32(pair); }
NMT_PRUNE_INLINE Sums multiply_add(Sums a, Sums b) { return _mm_madd_epi16(a, b); }
NMT_PRUNE_INLINE Sums add(Sums a, Sums b) { return _mm_add_epi32(a, b); }
constexpr int dot_lanes = sizeof(Sums) / 4;
struct Weights { Sums even, odd; };
NMT_PRUNE_INLINE Weights weights_at(const std::int8_t* at) {
  const Sums bytes = load_bytes(at);
  return {even_bytes(bytes), odd_bytes(bytes)};
}
NMT_PRUNE_INLINE Sums add_dots(Sums sums, Weights weights, const Quantized* x) {
  std::int32_t even, odd;
  std::memcpy(&even, x, sizeof even);
  std::memcpy(&odd, x + 2, sizeof odd);
  return add(sums, add(multiply_add(weights.even, same(even)), multiply_add(weights.odd, same(odd))));
}

#elif defined(__ARM_FEATURE_DOTPROD)

typedef std::int8_t Quantized;
NMT_PRUNE_INLINE void put_four(const Quantized* from, Quantized* to) { std::memcpy(to, from, 4 * sizeof *to); }
constexpr int dot_lanes = 4;
typedef int32x4_t Sums;
struct Weights { int8x16_t bytes; };
NMT_PRUNE_INLINE Sums no_sums() { return vdupq_n_s32(0); }
NMT_PRUNE_INLINE Sums add_sums(Sums a, Sums b) { return vaddq_s32(a, b); }
NMT_PRUNE_INLINE Weights weights_at(const std::int8_t* at) { return {vld1q_s8(at)}; }
NMT_PRUNE_INLINE Sums add_dots(Sums sums, Weights weights, const Quantized* x) {
  std::int32_t four;
  std::memcpy(&four, x, sizeof four);
  return vdotq_s32(sums, weights.bytes, vreinterpretq_s8_s32(vdupq_n_s32(four)));
}

#else

typedef std::int16_t Quantized;
NMT_PRUNE_INLINE void put_four(const Quantized* from, Quantized* to) { std::memcpy(to, from, 4 * sizeof *to); }
constexpr int dot_lanes = 4;
struct Sums { std::int32_t lane[dot_lanes]; };
struct Weights { const std::int8_t* bytes; };
NMT_PRUNE_INLINE Sums no_sums() { return {}; }
NMT_PRUNE_INLINE Weights weights_at(const std::int8_t* at) { return {at}; }
NMT_PRUNE_INLINE Sums add_dots(Sums sums, Weights weights, const Quantized* x) {
  for (int i = 0; i < dot_lanes; ++i)
    for (int j = 0; j < 4; ++j) sums.lane[i] += weights.bytes[4 * i + j] * x[j];
  return sums;
}

#endif

// Keeps the compiler from starting so many products that sums leave their registers.
template <class T>
NMT_PRUNE_INLINE void finish_product(T& sums) {
#if defined(__AVX2__)
  __asm__("" : "+v"(sums));
#else
  (void)sums;
#endif
}

// The dot products of two groups that are a pair.
NMT_PRUNE_INLINE Sums add_dots_of_pair(Sums sums, Weights a, const Quantized* x, Weights b, const Quantized* y) {
#if defined(__AVX2__) && !defined(__AVX512BW__) && !defined(__AVXVNNI__)
  std::int32_t of_a, of_b;
  std::memcpy(&of_a, x, sizeof of_a);
  std::memcpy(&of_b, y, sizeof of_b);
  const Sums products =
      _mm256_add_epi16(_mm256_maddubs_epi16(same(of_a), a.bytes), _mm256_maddubs_epi16(same(of_b), b.bytes));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
#else
  return add_dots(add_dots(sums, a, x), b, y);
#endif
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
