// Exponentials and sums of whole vectors.
#pragma once
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
NMT_PRUNE_INLINE Vector larger(Vector a, Vector b) { return a > b ? a : b; }

// Halves are combined as long as there are two, in an order that the compiler may do in vectors.
template <class Combine>
NMT_PRUNE_INLINE float reduce(Vector x, Combine combine) {
  float lanes[width];
  store(lanes, x);
#pragma GCC unroll 4
  for (std::int64_t half = width / 2; half; half /= 2)
#pragma GCC unroll 8
    for (std::int64_t i = 0; i < half; i++) lanes[i] = combine(lanes[i], lanes[i + half]);
  return lanes[0];
}
NMT_PRUNE_INLINE float sum(Vector x) {
  return reduce(x, [](float a, float b) { return a + b; });
}
NMT_PRUNE_INLINE float maximum(Vector x) {
  return reduce(x, [](float a, float b) { return a > b ? a : b; });
}

// e^x to 2 units in the last place (Cephes' polynomial); 0 below -87, NaN stays NaN. Not for x > 88.
NMT_PRUNE_INLINE Vector exponential(Vector x) {
  constexpr float magic = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer, found in the lowest bits
  Integers vanishes = x < all(-87.f);
  x = vanishes ? all(0.f) : x;
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
  return vanishes ? all(0.f) : y * power;
}

NMT_PRUNE_INLINE float exponential(float x) {
  float lanes[width];
  store(lanes, exponential(all(x)));
  return lanes[0];
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
