// Attention of one query or several.
#pragma once
#include "../vector_kernels.h"
#include "halves.h"
#include "rows.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// Softmax of scale * scores in place. Behind the scores there must be room up to padded(size).
NMT_PRUNE_INLINE void softmax(float* scores, std::int64_t size, float scale) {
  std::int64_t end = padded(size);
  for (std::int64_t i = size; i < end; i++) scores[i] = -infinity;
  Vector highest = all(-infinity);
  for (std::int64_t i = 0; i < size; i += width) highest = larger(highest, load(scores + i));
  float shift = maximum(highest);
  Vector sums = {};
  for (std::int64_t i = 0; i < size; i += width) {
    Vector e = exponential((load(scores + i) - shift) * scale);
    store(scores + i, e);
    sums += e;
  }
  float factor = 1.f / sum(sums);
  for (std::int64_t i = 0; i < size; i += width) store(scores + i, load(scores + i) * factor);
}

// Lane by lane; what does not fill a vector is left out.
template <class Stored>
NMT_PRUNE_INLINE Vector products(const float* a, const Stored* b, std::int64_t size) {
  Vector sums = {};
  for (std::int64_t i = 0; i + width <= size; i += width) sums += load(a + i) * load(b + i);
  return sums;
}

// Products of a query with keys that lie anywhere; they are summed for as many keys at once as a vector has lanes.
template <class Stored>
NMT_PRUNE_INLINE void score_scattered(const float* query, const Stored* const* keys, std::int64_t offset,
                                      std::int64_t positions, std::int64_t head_dim, float* scores) {
  const std::int64_t rest = head_dim / width * width;
  for (std::int64_t begin = 0; begin < positions; begin += width) {
    const std::int64_t count = positions - begin < width ? positions - begin : width;
    Vector parts[width] = {};
    for (std::int64_t i = 0; i < count; ++i) parts[i] = products(query, keys[begin + i] + offset, head_dim);
    store(scores + begin, sum_of_each(parts));
  }
  for (std::int64_t d = rest; d < head_dim; ++d)
    for (std::int64_t p = 0; p < positions; ++p) scores[p] += query[d] * single(keys[p] + offset + d);
}

// Sum of scattered values, weighted by the scores.
template <class Stored>
NMT_PRUNE_INLINE void mix_scattered(const float* scores, const Stored* const* values, std::int64_t offset,
                                    std::int64_t positions, std::int64_t head_dim, float* output) {
  std::int64_t d = 0;
  for (; d + 4 * width <= head_dim; d += 4 * width) {
    Vector sums[4] = {};
    for (std::int64_t p = 0; p < positions; ++p) {
      const Stored* value = values[p] + offset + d;
      NMT_PRUNE_UNROLL
      for (int part = 0; part < 4; ++part) sums[part] += scores[p] * load(value + part * width);
    }
    for (int part = 0; part < 4; ++part) store(output + d + part * width, sums[part]);
  }
  for (; d + width <= head_dim; d += width) {
    Vector sums = {};
    for (std::int64_t p = 0; p < positions; ++p) sums += scores[p] * load(values[p] + offset + d);
    store(output + d, sums);
  }
  for (; d < head_dim; ++d) {
    output[d] = 0;
    for (std::int64_t p = 0; p < positions; ++p) output[d] += scores[p] * single(values[p] + offset + d);
  }
}

// In three passes over the heads: those of different heads overlap.
template <class Stored>
void attend_scattered(const float* query, const Stored* const* keys, std::int64_t positions, std::int64_t heads,
                      std::int64_t head_dim, float* scores, float* output) {
  const std::int64_t row = padded(positions);
  const float scale = 1.f / __builtin_sqrtf(static_cast<float>(head_dim));
  for (std::int64_t head = 0; head < heads; ++head)
    score_scattered(query + head * head_dim, keys, head * head_dim, positions, head_dim, scores + head * row);
  for (std::int64_t head = 0; head < heads; ++head) softmax(scores + head * row, positions, scale);
  for (std::int64_t head = 0; head < heads; ++head)
    mix_scattered(scores + head * row, keys, (heads + head) * head_dim, positions, head_dim, output + head * head_dim);
}

// Vectors of sums that a pass over keys or values makes for each query: with few queries more, so that sums need not
// wait for each other.
template <int count>
constexpr int vectors_together = count < 3 && width < 16 ? 4 : 2;

// Adds the products of one number of each query with some vectors.
template <int count, class Stored>
NMT_PRUNE_INLINE void add_products(const float* numbers, std::int64_t stride, const Stored* from,
                                   Vector (&sums)[count][vectors_together<count>]) {
  constexpr int vectors = vectors_together<count>;
  Vector loaded[vectors];
  NMT_PRUNE_UNROLL
  for (int v = 0; v < vectors; v++) loaded[v] = load(from + v * width);
  NMT_PRUNE_UNROLL
  for (int q = 0; q < count; q++) {
    NMT_PRUNE_UNROLL
    for (int v = 0; v < vectors; v++) sums[q][v] += numbers[q * stride] * loaded[v];
  }
}

// Attention of `count` queries: each vector of keys and values is loaded once for all of them.
template <int count, class Stored>
void attend_block(const float* queries, std::int64_t stride, const HeadMemory<Stored>& memory, float* scores,
                  float* output, std::int64_t output_stride) {
  constexpr int vectors = vectors_together<count>;
  static_assert(padded(1) % (vectors * width) == 0, "passes fill padded rows");
  const std::int64_t row = padded(memory.positions), head_row = padded(memory.head_dim);
  for (std::int64_t p = 0; p < row; p += vectors * width) {
    Vector sums[count][vectors] = {};
    for (std::int64_t d = 0; d < memory.head_dim; d++)
      add_products<count>(queries + d, stride, memory.keys + d * row + p, sums);
    for (int q = 0; q < count; q++)
      for (int v = 0; v < vectors; v++) store(scores + q * row + p + v * width, sums[q][v]);
  }
  const float scale = 1.f / __builtin_sqrtf(static_cast<float>(memory.head_dim));
  for (int q = 0; q < count; q++) softmax(scores + q * row, memory.positions, scale);
  for (std::int64_t d = 0; d < memory.head_dim; d += vectors * width) {
    Vector sums[count][vectors] = {};
    for (std::int64_t p = 0; p < memory.positions; p++)
      add_products<count>(scores + p, row, memory.values + p * head_row + d, sums);
    for (int q = 0; q < count; q++) {
      float* to = output + q * output_stride + d;
      for (int v = 0; v < vectors; v++, to += width) store_some<width>(to, sums[q][v], memory.head_dim - d - v * width);
    }
  }
}

template <class Stored>
void attend_together(const float* queries, std::int64_t count, std::int64_t stride, const HeadMemory<Stored>& memory,
          float* scores, float* output, std::int64_t output_stride) {
  while (count > 0) {
    std::int64_t block = count < 6 ? count : 6;
    switch (block) {
      case 1: attend_block<1>(queries, stride, memory, scores, output, output_stride); break;
      case 2: attend_block<2>(queries, stride, memory, scores, output, output_stride); break;
      case 3: attend_block<3>(queries, stride, memory, scores, output, output_stride); break;
      case 4: attend_block<4>(queries, stride, memory, scores, output, output_stride); break;
      case 5: attend_block<5>(queries, stride, memory, scores, output, output_stride); break;
      default: attend_block<6>(queries, stride, memory, scores, output, output_stride);
    }
    count -= block, queries += block * stride, output += block * output_stride;
  }
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
