// Layer norms and activation functions of whole rows.
#pragma once
#include "../vector_kernels.h"
#include "exponential.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// The last elements of a row, fewer than a vector holds, in front of zeros.
struct Rest {
  float lanes[width] = {};
  Rest(const float* from, std::int64_t size) {
    for (std::int64_t i = 0; i < size; i++) lanes[i] = from[i];
  }
  void store(float* to, std::int64_t size) const {
    for (std::int64_t i = 0; i < size; i++) to[i] = lanes[i];
  }
};

// to[i] = function(from[i]) for a whole row; from may be to.
template <class Function>
NMT_PRUNE_INLINE void transform(const float* from, float* to, std::int64_t size, Function function) {
  std::int64_t i = 0;
  for (; i + width <= size; i += width) store(to + i, function(load(from + i), i));
  if (i < size) {
    Rest rest(from + i, size - i);
    store(rest.lanes, function(load(rest.lanes), i));
    rest.store(to + i, size - i);
  }
}

// Sum of function(x[i]); lanes beyond the row are zero on entry to `function`, which has to map them to zero.
template <class Function>
NMT_PRUNE_INLINE float total(const float* x, std::int64_t size, Function function) {
  Vector sums[2] = {};
  std::int64_t i = 0;
  for (; i + 2 * width <= size; i += 2 * width) {
    sums[0] += function(load(x + i));
    sums[1] += function(load(x + i + width));
  }
  for (; i + width <= size; i += width) sums[0] += function(load(x + i));
  float result = sum(sums[0] + sums[1]);
  for (; i < size; i++) result += function(all(x[i]))[0];
  return result;
}

void add(float* x, const float* y, std::int64_t size) {
  for (std::int64_t i = 0; i < size; i++) x[i] += y[i];
}

void layer_norm(const float* x, const float* gain, const float* bias, std::int64_t rows, std::int64_t dim, float* output) {
  for (std::int64_t row = 0; row < rows; row++, x += dim, output += dim) {
    float mean = total(x, dim, [](Vector v) { return v; }) / dim;
    float variance = total(x, dim, [mean](Vector v) { return (v - mean) * (v - mean); }) / dim;
    float scale = 1.f / __builtin_sqrtf(variance + 1e-5f);
    std::int64_t i = 0;
    for (; i + width <= dim; i += width)
      store(output + i, (load(x + i) - mean) * scale * load(gain + i) + load(bias + i));
    for (; i < dim; i++) output[i] = (x[i] - mean) * scale * gain[i] + bias[i];
  }
}

// 1 / (1 + e^-x), from exponentials of numbers that cannot overflow.
NMT_PRUNE_INLINE Vector logistic(Vector x) {
  Vector e = exponential(x < 0.f ? x : -x);
  return (x < 0.f ? e : all(1.f)) / (1.f + e);
}

// Abramowitz and Stegun 7.1.26; absolute error below 2e-7.
NMT_PRUNE_INLINE Vector error_function(Vector x) {
  Vector size = x < 0.f ? -x : x;
  Vector t = 1.f / (1.f + 0.3275911f * size);
  Vector y = 1.061405429f * t - 1.453152027f;
  y = y * t + 1.421413741f;
  y = y * t - 0.284496736f;
  y = y * t + 0.254829592f;
  y = 1.f - y * t * exponential(-size * size);
  return x < 0.f ? -y : y;
}

void activate(Nonlinearity kind, float* x, std::int64_t size) {
  switch (kind) {
    case Nonlinearity::relu:
      return transform(x, x, size, [](Vector v, std::int64_t) { return v < 0.f ? Vector{} : v; });
    case Nonlinearity::gelu:
      return transform(x, x, size, [](Vector v, std::int64_t) {
        return 0.5f * v * (1.f + error_function(0.70710678118654752f * v));
      });
    case Nonlinearity::gelu_tanh:  // (1 + tanh u) / 2 = logistic(2u)
      return transform(x, x, size, [](Vector v, std::int64_t) {
        return v * logistic(1.59576912160573071f * (v + 0.044715f * v * v * v));
      });
    case Nonlinearity::swish:
      return transform(x, x, size, [](Vector v, std::int64_t) { return v * logistic(v); });
  }
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
