// The decoder, one word at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layers.h"
#include "source_attention.h"
#include "state_cache.h"

namespace nmt_prune {

// Keys and values of the cross-attention of all layers for one sentence, as float or Half.
struct SourceMemory {
  std::int64_t positions = 0;
  Aligned<unsigned char> bytes;

  template <class Stored>
  Stored* of_heads(std::int64_t earlier, std::int64_t head_dim) {
    return reinterpret_cast<Stored*>(bytes.data()) + earlier * head_memory_size(positions, head_dim);
  }
  template <class Stored>
  const Stored* of_heads(std::int64_t earlier, std::int64_t head_dim) const {
    return reinterpret_cast<const Stored*>(bytes.data()) + earlier * head_memory_size(positions, head_dim);
  }
};

// The last word of a hypothesis, to be continued.
struct LastWord {
  std::int32_t token;
  const std::vector<std::int32_t>* slots;  // of all words, this one's the last
  const SourceMemory* source;              // rows of the same sentence follow each other
};

class Decoder {
 public:
  // with_halves: keys and values are remembered as Half, of which fewer leave the caches.
  Decoder(const Stack& stack, std::int64_t source_dim, Parameters& parameters, std::int32_t pad, bool with_halves);
  std::int64_t vocabulary() const { return output_.weight->rows(); }
  std::int64_t max_positions() const { return stack_.max_positions; }
  const Positions& positions() const { return embedding_.positions(); }
  std::int64_t dim() const { return stack_.dim; }
  std::size_t bytes_per_slot() const { return slot_size_ * bytes_of_number(); }
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
    template <class Stored>
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
    template <class Stored>
    void remember(const float* encoded, std::int64_t rows, std::vector<SourceMemory>& memories, Scratch& scratch) const;
    template <class Stored>
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

  template <class Stored>
  void apply_layers(const std::vector<LastWord>& words, StateCache& cache, float* states, Scratch& scratch,
                    float* attention) const;
  std::size_t bytes_of_number() const { return with_halves_ ? sizeof(Half) : sizeof(float); }

  Stack stack_;
  bool with_halves_;
  Embedding embedding_;
  std::vector<Layer> layers_;
  Norm final_norm_;
  Linear output_;
  std::int64_t slot_size_ = 0, cross_heads_ = 0;
};

}  // namespace nmt_prune
