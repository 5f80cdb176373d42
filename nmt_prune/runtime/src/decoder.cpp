#include "decoder.h"

#include <algorithm>

#include "source_attention.h"

namespace nmt_prune {

Decoder::SelfAttention::SelfAttention(Parameters& parameters, const std::string& layer, const Stack& stack,
                                      std::int64_t heads, std::int64_t offset)
    : heads_(heads),
      head_dim_(stack.head_dim),
      offset_(offset),
      residual_(parameters, layer + "self_attn_layer_norm", layer + "self_attn.out_proj", stack, heads == 0) {
  if (heads == 0) return;
  const std::int64_t width = heads * stack.head_dim;
  projections_ = Linear(parameters, layer + "self_attn.qkv_proj", 3 * width, stack.dim);
  output_ = Linear(parameters, layer + "self_attn.out_proj", stack.dim, width);
}

void Decoder::SelfAttention::apply(const std::vector<LastWord>& words, StateCache& cache, float* states,
                                   Scratch& scratch) const {
  const auto rows = static_cast<std::int64_t>(words.size());
  residual_.apply(states, rows, scratch, [&](const float* input, float* output) {
    const std::int64_t width = heads_ * head_dim_;
    float* projected = scratch.projected.grow(rows * 3 * width);
    float* context = scratch.context.grow(rows * width);
    projections_.apply(input, rows, projected, scratch.products);
    for (std::int64_t row = 0; row < rows; ++row, projected += 3 * width) {
      const std::vector<std::int32_t>& slots = *words[row].slots;
      std::copy(projected + width, projected + 3 * width, cache.at(slots.back()) + offset_);
      scratch.keys.resize(slots.size());
      for (std::size_t p = 0; p < slots.size(); ++p) scratch.keys[p] = cache.at(slots[p]) + offset_;
      const auto positions = static_cast<std::int64_t>(slots.size());
      kernels().vectors.attend_scattered(projected, scratch.keys.data(), positions, heads_, head_dim_,
                                         scratch.scores.grow(heads_ * padded(positions)), context + row * width);
    }
    output_.apply(context, rows, output, scratch.products);
  });
}

Decoder::CrossAttention::CrossAttention(Parameters& parameters, const std::string& layer, const Stack& stack,
                                        std::int64_t source_dim, std::int64_t heads, std::int64_t earlier_heads)
    : heads_(heads),
      head_dim_(stack.head_dim),
      earlier_heads_(earlier_heads),
      residual_(parameters, layer + "encoder_attn_layer_norm", layer + "encoder_attn.out_proj", stack, heads == 0) {
  if (heads == 0) return;
  const std::int64_t width = heads * stack.head_dim;
  query_ = Linear(parameters, layer + "encoder_attn.q_proj", width, stack.dim);
  memory_ = Linear(parameters, layer + "encoder_attn.kv_proj", 2 * width, source_dim);
  output_ = Linear(parameters, layer + "encoder_attn.out_proj", stack.dim, width);
}

void Decoder::CrossAttention::remember(const float* encoded, std::int64_t rows, std::vector<SourceMemory>& memories,
                                       Scratch& scratch) const {
  if (heads_ == 0) return;
  const std::int64_t width = heads_ * head_dim_;
  float* projected = scratch.projected.grow(rows * 2 * width);
  memory_.apply(encoded, rows, projected, scratch.products);
  for (SourceMemory& memory : memories) {
    lay_out_heads(projected, projected + width, 2 * width, memory.positions, heads_, head_dim_,
                  memory.values.data() + earlier_heads_ * head_memory_size(memory.positions, head_dim_));
    projected += memory.positions * 2 * width;
  }
}

void Decoder::CrossAttention::apply(const std::vector<LastWord>& words, float* states, Scratch& scratch,
                                    float* attention) const {
  const auto rows = static_cast<std::int64_t>(words.size());
  residual_.apply(states, rows, scratch, [&](const float* input, float* output) {
    const std::int64_t width = heads_ * head_dim_;
    float* queries = scratch.projected.grow(rows * width);
    float* context = scratch.context.grow(rows * width);
    query_.apply(input, rows, queries, scratch.products);
    for (std::int64_t first = 0, last; first < rows; first = last) {
      const SourceMemory& source = *words[first].source;
      for (last = first + 1; last < rows && words[last].source == &source; ++last) {
      }
      attend(queries + first * width, last - first, width,
             source.values.data() + earlier_heads_ * head_memory_size(source.positions, head_dim_), source.positions,
             heads_, head_dim_, context + first * width, scratch, attention);
      if (attention != nullptr) attention += (last - first) * source.positions;
    }
    output_.apply(context, rows, output, scratch.products);
  });
}

Decoder::Decoder(const Stack& stack, std::int64_t source_dim, Parameters& parameters, std::int32_t pad)
    : stack_(stack), embedding_(parameters, "decoder.", stack, pad) {
  if (stack.ffn.size() != stack.heads.size() || stack.cross_heads.size() != stack.heads.size())
    throw InvalidInput("decoder.heads, decoder.cross_heads and decoder.ffn differ in length");
  for (std::size_t i = 0; i < stack.heads.size(); ++i) {
    const std::string layer = "decoder.layers." + std::to_string(i) + ".";
    layers_.push_back({SelfAttention(parameters, layer, stack, stack.heads[i], slot_size_),
                       CrossAttention(parameters, layer, stack, source_dim, stack.cross_heads[i], cross_heads_),
                       FeedForward(parameters, layer, stack, stack.ffn[i])});
    slot_size_ += 2 * stack.heads[i] * stack.head_dim;
    cross_heads_ += stack.cross_heads[i];
  }
  if (stack.final_norm) final_norm_ = Norm(parameters, "decoder.layer_norm", stack.dim);
  output_ = Linear(parameters, "decoder.output_projection", embedding_.vocabulary(), stack.dim);
}

std::vector<SourceMemory> Decoder::remember(const float* encoded, const std::vector<std::int64_t>& lengths,
                                            Scratch& scratch) const {
  std::vector<SourceMemory> memories(lengths.size());
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    memories[i].positions = lengths[i];
    memories[i].values.grow(cross_heads_ * head_memory_size(lengths[i], stack_.head_dim));
    rows += lengths[i];
  }
  for (const Layer& layer : layers_) layer.cross_attention.remember(encoded, rows, memories, scratch);
  return memories;
}

const float* Decoder::step(const std::vector<LastWord>& words, const Positions::Table& positions, StateCache& cache,
                           Scratch& scratch, float* attention) const {
  const auto rows = static_cast<std::int64_t>(words.size());
  float* states = scratch.states.grow(rows * stack_.dim);
  for (std::int64_t row = 0; row < rows; ++row)
    embedding_.apply(words[row].token, positions.row(static_cast<std::int64_t>(words[row].slots->size()) - 1),
                     states + row * stack_.dim);
  for (const Layer& layer : layers_) {
    layer.self_attention.apply(words, cache, states, scratch);
    layer.cross_attention.apply(words, states, scratch, &layer == &layers_.back() ? attention : nullptr);
    layer.feed_forward.apply(states, rows, scratch);
  }
  if (stack_.final_norm) final_norm_.apply(states, rows, stack_.dim, states);
  return states;
}

}  // namespace nmt_prune
