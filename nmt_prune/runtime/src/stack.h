// What the model looks like; the same as nmt_prune.storage.architecture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vector_kernels.h"

namespace nmt_prune {

struct Stack {
  std::int64_t dim, head_dim;
  std::vector<std::int64_t> heads, cross_heads, ffn;  // of each layer; 0 where a sublayer is gone
  bool pre_norm, final_norm;
  Nonlinearity activation;
  float embedding_scale;
  bool embedding_norm;
  std::string positions;  // sinusoidal, learned or none
  std::int64_t max_positions;
};

struct Architecture {
  Stack encoder, decoder;
};

// Rows of the dictionaries with a meaning of their own.
struct Symbols {
  std::int32_t pad, eos, unk;
};

}  // namespace nmt_prune
