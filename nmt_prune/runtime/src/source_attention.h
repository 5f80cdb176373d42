// Attention to a sentence that is known as a whole: to itself in the encoder, to the source in the decoder.
#pragma once

#include <cstdint>

#include "layers.h"

namespace nmt_prune {

// Numbers that keys and values of one head take.
inline std::int64_t head_memory_size(std::int64_t positions, std::int64_t head_dim) {
  return head_dim * padded(positions) + positions * padded(head_dim);
}

// Lays out keys and values of several heads, found `stride` floats apart from position to position, one head after the
// other.
void lay_out_heads(const float* keys, const float* values, std::int64_t stride, std::int64_t positions,
                   std::int64_t heads, std::int64_t head_dim, float* memory);

// Attention of `count` queries, `stride` floats apart, to what lay_out_heads has written, as it is or as Half. weights:
// if wanted, count x positions: how much of each position every query takes, on average over the heads.
template <class Stored>
void attend(const float* queries, std::int64_t count, std::int64_t stride, const Stored* memory, std::int64_t positions,
            std::int64_t heads, std::int64_t head_dim, float* output, Scratch& scratch, float* weights = nullptr);

}  // namespace nmt_prune
