// Vectors of the instruction set that this translation unit is compiled for. Everything has internal linkage and uses
// no inline function of the standard library: the linker would be free to keep the copy with instructions that not
// every CPU has.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define NMT_PRUNE_INLINE inline __attribute__((always_inline))
#define NMT_PRUNE_UNROLL _Pragma("GCC unroll 16")

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

typedef float Floats4 __attribute__((vector_size(16)));
typedef float Floats8 __attribute__((vector_size(32)));
typedef float Floats16 __attribute__((vector_size(64)));

template <int Lanes> struct FloatsOf;
template <> struct FloatsOf<4> { typedef Floats4 type; };
template <> struct FloatsOf<8> { typedef Floats8 type; };
template <> struct FloatsOf<16> { typedef Floats16 type; };
template <int Lanes> using Floats = typename FloatsOf<Lanes>::type;

// Lanes of the widest register.
#if defined(__AVX512F__)
constexpr int widest = 16;
#elif defined(__AVX2__)
constexpr int widest = 8;
#else
constexpr int widest = 4;
#endif

// Weights are read once and in order, but faster than prefetchers in hardware look ahead. An address past the end of an
// array is allowed: nothing is read for the program.
constexpr int prefetched_bytes = 2048;
NMT_PRUNE_INLINE void prefetch(const void* from) { __builtin_prefetch(from); }

template <int Lanes>
NMT_PRUNE_INLINE Floats<Lanes> load(const float* from) {
  Floats<Lanes> vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class Vector>
NMT_PRUNE_INLINE void store(float* to, Vector vector) {
  std::memcpy(to, &vector, sizeof vector);
}

// A sum with a vector of zeros would cost an addition, for the sake of -0.
template <int Lanes>
NMT_PRUNE_INLINE Floats<Lanes> broadcast(float value) {
  if constexpr (Lanes == 4) return Floats4{value, value, value, value};
  else if constexpr (Lanes == 8) return Floats8{value, value, value, value, value, value, value, value};
  else return Floats16{value, value, value, value, value, value, value, value,
                       value, value, value, value, value, value, value, value};
}

// Not a number stays what it is, as in torch.
template <class Vector>
NMT_PRUNE_INLINE Vector relu_of(Vector vector) {
  const Vector zero{};
  return zero > vector ? zero : vector;
}

// The first `count` lanes; the others are zero.
template <int Lanes>
NMT_PRUNE_INLINE Floats<Lanes> load_some(const float* from, std::int64_t count) {
  if (count >= Lanes) return load<Lanes>(from);
  float lanes[Lanes] = {};
  for (std::int64_t i = 0; i < count; ++i) lanes[i] = from[i];
  return load<Lanes>(lanes);
}

template <int Lanes>
NMT_PRUNE_INLINE void store_some(float* to, Floats<Lanes> vector, std::int64_t count) {
  if (count >= Lanes) return store(to, vector);
  float lanes[Lanes];
  store(lanes, vector);
  for (std::int64_t i = 0; i < count; ++i) to[i] = lanes[i];
}

// As bits, magnitudes are in the order of integers, with not a number above all of them.
typedef decltype(Floats<widest>{} < Floats<widest>{}) MagnitudeBits;
NMT_PRUNE_INLINE MagnitudeBits larger(MagnitudeBits largest, Floats<widest> values) {
  MagnitudeBits bits;
  std::memcpy(&bits, &values, sizeof bits);
  bits &= 0x7fffffff;
  return bits > largest ? bits : largest;
}

float largest_magnitude(const float* values, std::int64_t count) {
  MagnitudeBits even{}, odd{};  // a maximum waits for the one before
  std::int64_t i = 0;
  for (; i + 2 * widest <= count; i += 2 * widest) {
    even = larger(even, load<widest>(values + i));
    odd = larger(odd, load<widest>(values + i + widest));
  }
  for (; i < count; i += widest) even = larger(even, load_some<widest>(values + i, count - i));
  even = odd > even ? odd : even;
  std::int32_t found = 0;
  for (int lane = 0; lane < widest; ++lane) found = even[lane] > found ? even[lane] : found;
  float result;
  std::memcpy(&result, &found, sizeof result);
  return result;
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
