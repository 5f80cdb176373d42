// Exponentials and sums of whole vectors.
#pragma once
#include <cstddef>
#include <utility>

#include "simd.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

constexpr float infinity = __builtin_huge_valf();

constexpr std::int64_t width = widest;
typedef Floats<widest> Vector;
typedef decltype(Vector{} < Vector{}) Integers;

NMT_PRUNE_INLINE Vector load(const float* from) { return load<widest>(from); }
NMT_PRUNE_INLINE Vector all(float x) { return broadcast<widest>(x); }
// b where either is not a number.
NMT_PRUNE_INLINE Vector larger(Vector a, Vector b) { return a > b ? a : b; }

// The first or second halves of all blocks of so many lanes, those of `a` and `b` alternating.
template <int Block, bool Second, std::size_t... Lanes>
NMT_PRUNE_INLINE Vector halves(Vector a, Vector b, std::index_sequence<Lanes...>) {
  constexpr int half = Block / 2, other = width - half;
#define NMT_PRUNE_LANES (int(Lanes % Block < half ? Lanes + Second * half : Lanes + other + Second * half))...
#if defined(__clang__)
  return __builtin_shufflevector(a, b, NMT_PRUNE_LANES);
#else
  return __builtin_shuffle(a, b, Integers{NMT_PRUNE_LANES});
#endif
#undef NMT_PRUNE_LANES
}
template <int Block, bool Second>
NMT_PRUNE_INLINE Vector halves(Vector a, Vector b) {
  return halves<Block, Second>(a, b, std::make_index_sequence<width>());
}

// Lane i becomes the sum of all lanes of parts[i].
template <int Count = width>
NMT_PRUNE_INLINE Vector sum_of_each(Vector (&parts)[width]) {
  if constexpr (Count == 1) {
    return parts[0];
  } else {
    NMT_PRUNE_UNROLL
    for (int i = 0; i < Count / 2; ++i) {
      const Vector a = parts[i], b = parts[i + Count / 2];
      parts[i] = halves<Count, false>(a, b) + halves<Count, true>(a, b);
    }
    return sum_of_each<Count / 2>(parts);
  }
}

template <int Block = width>
NMT_PRUNE_INLINE float sum(Vector x) {
  if constexpr (Block == 1)
    return x[0];
  else
    return sum<Block / 2>(halves<Block, false>(x, x) + halves<Block, true>(x, x));
}
template <int Block = width>
NMT_PRUNE_INLINE float maximum(Vector x) {
  if constexpr (Block == 1)
    return x[0];
  else
    return maximum<Block / 2>(larger(halves<Block, false>(x, x), halves<Block, true>(x, x)));
}

// e^x to 2 units in the last place (Cephes' polynomial); below -87 it is e^-87, NaN stays NaN. Not for x > 88.
NMT_PRUNE_INLINE Vector exponential(Vector x) {
  constexpr float magic = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer, found in the lowest bits
  x = larger(all(-87.f), x);
  Vector shifted = x * all(1.44269504f) + all(magic);
  Vector n = shifted - all(magic);
  x = x - n * all(0.693359375f);
  x = x - n * all(-2.12194440e-4f);
  Vector y = all(1.9875691500e-4f);
  y = y * x + all(1.3981999507e-3f);
  y = y * x + all(8.3334519073e-3f);
  y = y * x + all(4.1665795894e-2f);
  y = y * x + all(1.6666665459e-1f);
  y = y * x + all(5.0000001201e-1f);
  y = y * (x * x) + x + all(1.f);
  Vector power = reinterpret_cast<Vector>((reinterpret_cast<Integers>(shifted) << 23) + (127 << 23));
  return y * power;
}

NMT_PRUNE_INLINE float exponential(float x) {
  float lanes[width];
  store(lanes, exponential(all(x)));
  return lanes[0];
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
