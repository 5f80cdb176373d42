// The decoder, one word at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layers.h"
#include "state_cache.h"

namespace nmt_prune {

// Keys and values of the cross-attention of all layers for one sentence.
struct SourceMemory {
  std::int64_t positions = 0;
  Aligned<float> values;
};

// The last word of a hypothesis, to be continued.
struct LastWord {
  std::int32_t token;
  const std::vector<std::int32_t>* slots;  // of all words, this one's the last
  const SourceMemory* source;              // rows of the same sentence follow each other
};

class Decoder {
 public:
  Decoder(const Stack& stack, std::int64_t source_dim, Parameters& parameters, std::int32_t pad);
  std::int64_t vocabulary() const { return output_.weight->rows(); }
  std::int64_t max_positions() const { return stack_.max_positions; }
  const Positions& positions() const { return embedding_.positions(); }
  std::int64_t dim() const { return stack_.dim; }
  std::int64_t floats_per_slot() const { return slot_size_; }
  bool has_attention() const { return !stack_.cross_heads.empty() && stack_.cross_heads.back() > 0; }

  // encoded: the encoder's outputs of sentences of these lengths, one behind the other.
  std::vector<SourceMemory> remember(const float* encoded, const std::vector<std::int64_t>& lengths,
                                     Scratch& scratch) const;

  // Words x dim, what the vocabulary is compared with; valid until the scratch memory is used again. attention: if
  // wanted, how much of each source position every word takes in the last layer, word behind word.
  const float* step(const std::vector<LastWord>& words, const Positions::Table& positions, StateCache& cache,
                    Scratch& scratch, float* attention = nullptr) const;

  // Makes logits of states.
  const Linear& output() const { return output_; }

 private:
  class SelfAttention {
   public:
    SelfAttention(Parameters& parameters, const std::string& layer, const Stack& stack, std::int64_t heads,
                  std::int64_t offset);
    void apply(const std::vector<LastWord>& words, StateCache& cache, float* states, Scratch& scratch) const;

   private:
    std::int64_t heads_, head_dim_, offset_;  // of this layer in a slot
    Residual residual_;
    Linear projections_, output_;  // queries, keys and values in one
  };
  class CrossAttention {
   public:
    CrossAttention(Parameters& parameters, const std::string& layer, const Stack& stack, std::int64_t source_dim,
                   std::int64_t heads, std::int64_t earlier_heads);
    void remember(const float* encoded, std::int64_t rows, std::vector<SourceMemory>& memories, Scratch& scratch) const;
    void apply(const std::vector<LastWord>& words, float* states, Scratch& scratch, float* attention) const;

   private:
    std::int64_t heads_, head_dim_, earlier_heads_;  // those of the layers below
    Residual residual_;
    Linear query_, memory_, output_;  // keys and values in one
  };
  struct Layer {
    SelfAttention self_attention;
    CrossAttention cross_attention;
    FeedForward feed_forward;
  };

  Stack stack_;
  Embedding embedding_;
  std::vector<Layer> layers_;
  Norm final_norm_;
  Linear output_;
  std::int64_t slot_size_ = 0, cross_heads_ = 0;
};

}  // namespace nmt_prune
