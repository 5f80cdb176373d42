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

float largest_magnitude(const float* values, std::int64_t count) {
  Floats<widest> largest{};
  std::int64_t i = 0;
  for (; i + widest <= count; i += widest) {
    const Floats<widest> value = load<widest>(values + i), magnitude = value > -value ? value : -value;
    largest = magnitude > largest ? magnitude : largest;
  }
  float result = 0.0f;
  for (int lane = 0; lane < widest; ++lane) result = largest[lane] > result ? largest[lane] : result;
  for (; i < count; ++i) {
    const float magnitude = values[i] < 0.0f ? -values[i] : values[i];
    result = magnitude > result ? magnitude : result;
  }
  return result;
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
