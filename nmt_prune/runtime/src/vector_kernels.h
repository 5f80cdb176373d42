// Arithmetic on rows of floats, everything but the products with weights; one table of functions per instruction set.
#pragma once

#include <cstdint>

#include "half.h"

namespace nmt_prune {

enum class Nonlinearity { relu, gelu, gelu_tanh, swish };

// One word that could come next; the kernels below are compiled for several processors and share no code with the rest.
struct Scored {
  float score;
  std::int32_t token;
};

// Keys and values of one head that several queries look at, laid out for vectors of any width.
template <class Stored>
struct HeadMemory {
  const Stored* keys;    // head_dim x padded(positions): one position per lane; lanes beyond `positions` are whatever
  const Stored* values;  // positions x padded(head_dim)
  std::int64_t positions;
  std::int64_t head_dim;
};

// Rows are padded to a whole number of pairs of the widest vectors.
constexpr std::int64_t padded(std::int64_t length) { return (length + 31) / 32 * 32; }

// AttentionKernels.together takes so many queries at a time.
constexpr std::int64_t queries_together = 6;

// Attention to keys and values that are stored as float or as Half.
template <class Stored>
struct AttentionKernels {
  // Of one query over positions that lie anywhere: keys[p] points to the keys of all heads at position p, their values
  // follow behind. scores: room for heads * padded(positions).
  void (*scattered)(const float* query, const Stored* const* keys, std::int64_t positions, std::int64_t heads,
                    std::int64_t head_dim, float* scores, float* output);

  // Of several queries, `stride` floats apart, as are the outputs. scores: room for queries_together *
  // padded(positions); of no more queries than that, their softmaxes stand there afterwards, a row each.
  void (*together)(const float* queries, std::int64_t count, std::int64_t stride, const HeadMemory<Stored>& memory,
                   float* scores, float* output, std::int64_t output_stride);
};

struct VectorKernels {
  // x[i] += y[i]
  void (*add)(float* x, const float* y, std::int64_t size);

  // Layer norm of each row (epsilon 1e-5); output may be x.
  void (*layer_norm)(const float* x, const float* gain, const float* bias, std::int64_t rows, std::int64_t dim,
           float* output);

  void (*activate)(Nonlinearity kind, float* x, std::int64_t size);

  AttentionKernels<float> attention;
  AttentionKernels<Half> half_attention;

  // The nearest halves, of two the even one; numbers beyond the largest half become that.
  void (*to_half)(const float* from, std::int64_t size, Half* to);

  // The `count` highest logits, best first (of equal ones the first), and the logarithm of the sum of all
  // exponentials, which is not finite where there is no probability distribution. Returns how many were found:
  // fewer than `count` where others are -infinity.
  std::int64_t (*top)(const float* logits, std::int64_t size, std::int64_t count, Scored* best,
            float* log_sum_exponentials);

  // The place of the highest logit, of equal ones the first; negative where one is not a number or none is finite.
  std::int64_t (*highest)(const float* logits, std::int64_t size);
};

template <class Stored>
const AttentionKernels<Stored>& attention_to(const VectorKernels& vectors);
template <>
inline const AttentionKernels<float>& attention_to<float>(const VectorKernels& vectors) {
  return vectors.attention;
}
template <>
inline const AttentionKernels<Half>& attention_to<Half>(const VectorKernels& vectors) {
  return vectors.half_attention;
}

}  // namespace nmt_prune
