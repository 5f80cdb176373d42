// The encoder, over sentences packed one behind the other: there is no padding.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layers.h"

namespace nmt_prune {

class Encoder {
 public:
  Encoder(const Stack& stack, Parameters& parameters, std::int32_t pad);
  std::int64_t vocabulary() const { return embedding_.vocabulary(); }
  std::int64_t max_positions() const { return stack_.max_positions; }

  // Tokens of the sentences x dim; valid until the scratch memory is used again.
  const float* encode(const std::vector<const std::vector<std::int32_t>*>& sentences, Scratch& scratch) const;

 private:
  using Sentences = std::vector<const std::vector<std::int32_t>*>;

  class SelfAttention {
   public:
    SelfAttention(Parameters& parameters, const std::string& layer, const Stack& stack, std::int64_t heads);
    void apply(const Sentences& sentences, float* states, std::int64_t rows, Scratch& scratch) const;

   private:
    std::int64_t heads_, head_dim_;
    Residual residual_;
    Linear projections_, output_;  // queries, keys and values in one
  };
  struct Layer {
    SelfAttention attention;
    FeedForward feed_forward;
  };

  Stack stack_;
  Embedding embedding_;
  std::vector<Layer> layers_;
  Norm final_norm_;
};

}  // namespace nmt_prune
