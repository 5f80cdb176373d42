#include "source_attention.h"

#include <algorithm>

namespace nmt_prune {

void lay_out_heads(const float* keys, const float* values, std::int64_t stride, std::int64_t positions,
                   std::int64_t heads, std::int64_t head_dim, float* memory) {
  const std::int64_t row = padded(positions), head_row = padded(head_dim);
  for (std::int64_t head = 0; head < heads; ++head) {
    float* head_keys = memory;
    float* head_values = head_keys + head_dim * row;
    memory = head_values + positions * head_row;
    kernels().transpose(keys + head * head_dim, positions, head_dim, stride, static_cast<int>(row), head_keys);
    for (std::int64_t p = 0; p < positions; ++p) {
      const float* value = values + p * stride + head * head_dim;
      std::copy(value, value + head_dim, head_values + p * head_row);
      std::fill(head_values + p * head_row + head_dim, head_values + (p + 1) * head_row, 0.0f);
    }
  }
}

template <class Stored>
void attend(const float* queries, std::int64_t count, std::int64_t stride, const Stored* memory, std::int64_t positions,
            std::int64_t heads, std::int64_t head_dim, float* output, Scratch& scratch, float* weights) {
  // As many as leave their weights behind, if those are wanted.
  const std::int64_t at_once = weights == nullptr ? count : queries_together;
  if (weights != nullptr) std::fill(weights, weights + count * positions, 0.0f);
  float* scores = scratch.scores.grow(queries_together * padded(positions));
  for (std::int64_t head = 0; head < heads; ++head, memory += head_memory_size(positions, head_dim)) {
    const HeadMemory<Stored> of_head{memory, memory + head_dim * padded(positions), positions, head_dim};
    for (std::int64_t first = 0; first < count; first += at_once) {
      const std::int64_t some = std::min(at_once, count - first);
      attention_to<Stored>(kernels().vectors)
          .together(queries + first * stride + head * head_dim, some, stride, of_head, scores,
                    output + (first * heads + head) * head_dim, heads * head_dim);
      if (weights == nullptr) continue;
      for (std::int64_t query = 0; query < some; ++query)
        for (std::int64_t p = 0; p < positions; ++p)
          weights[(first + query) * positions + p] +=
              scores[query * padded(positions) + p] / static_cast<float>(heads);
    }
  }
}

template void attend(const float*, std::int64_t, std::int64_t, const float*, std::int64_t, std::int64_t, std::int64_t,
                     float*, Scratch&, float*);
template void attend(const float*, std::int64_t, std::int64_t, const Half*, std::int64_t, std::int64_t, std::int64_t,
                     float*, Scratch&, float*);

}  // namespace nmt_prune
