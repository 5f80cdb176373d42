#include "decoder.h"

#include <algorithm>

namespace nmt_prune {
namespace {

void keep(const float* from, std::int64_t size, float* to) { std::copy(from, from + size, to); }
void keep(const float* from, std::int64_t size, Half* to) { kernels().vectors.to_half(from, size, to); }

}  // namespace

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

template <class Stored>
void Decoder::SelfAttention::apply(const std::vector<LastWord>& words, StateCache& cache, float* states,
                                   Scratch& scratch) const {
  const auto rows = static_cast<std::int64_t>(words.size());
  residual_.apply(states, rows, scratch, [&](const float* input, float* output) {
    const std::int64_t width = heads_ * head_dim_;
    float* projected = scratch.projected.grow(rows * 3 * width);
    float* context = scratch.context.grow(rows * width);
    std::vector<const Stored*>& keys = scratch.keys_of<Stored>();
    projections_.apply(input, rows, projected, scratch.products);
    for (std::int64_t row = 0; row < rows; ++row, projected += 3 * width) {
      const std::vector<std::int32_t>& slots = *words[row].slots;
      keep(projected + width, 2 * width, cache.at<Stored>(slots.back()) + offset_);
      keys.resize(slots.size());
      for (std::size_t p = 0; p < slots.size(); ++p) keys[p] = cache.at<Stored>(slots[p]) + offset_;
      const auto positions = static_cast<std::int64_t>(slots.size());
      attention_to<Stored>(kernels().vectors)
          .scattered(projected, keys.data(), positions, heads_, head_dim_,
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

template <class Stored>
void Decoder::CrossAttention::remember(const float* encoded, std::int64_t rows, std::vector<SourceMemory>& memories,
                                       Scratch& scratch) const {
  if (heads_ == 0) return;
  const std::int64_t width = heads_ * head_dim_;
  float* projected = scratch.projected.grow(rows * 2 * width);
  memory_.apply(encoded, rows, projected, scratch.products);
  for (SourceMemory& memory : memories) {
    const std::int64_t size = heads_ * head_memory_size(memory.positions, head_dim_);
    float* laid_out = scratch.memory.grow(size);
    lay_out_heads(projected, projected + width, 2 * width, memory.positions, heads_, head_dim_, laid_out);
    keep(laid_out, size, memory.of_heads<Stored>(earlier_heads_, head_dim_));
    projected += memory.positions * 2 * width;
  }
}

template <class Stored>
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
             source.of_heads<Stored>(earlier_heads_, head_dim_), source.positions, heads_, head_dim_,
             context + first * width, scratch, attention);
      if (attention != nullptr) attention += (last - first) * source.positions;
    }
    output_.apply(context, rows, output, scratch.products);
  });
}

Decoder::Decoder(const Stack& stack, std::int64_t source_dim, Parameters& parameters, std::int32_t pad,
                 bool with_halves)
    : stack_(stack), with_halves_(with_halves), embedding_(parameters, "decoder.", stack, pad) {
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
    memories[i].bytes.grow(cross_heads_ * head_memory_size(lengths[i], stack_.head_dim) * bytes_of_number());
    rows += lengths[i];
  }
  for (const Layer& layer : layers_)
    if (with_halves_)
      layer.cross_attention.remember<Half>(encoded, rows, memories, scratch);
    else
      layer.cross_attention.remember<float>(encoded, rows, memories, scratch);
  return memories;
}

template <class Stored>
void Decoder::apply_layers(const std::vector<LastWord>& words, StateCache& cache, float* states, Scratch& scratch,
                           float* attention) const {
  for (const Layer& layer : layers_) {
    layer.self_attention.apply<Stored>(words, cache, states, scratch);
    layer.cross_attention.apply<Stored>(words, states, scratch, &layer == &layers_.back() ? attention : nullptr);
    layer.feed_forward.apply(states, static_cast<std::int64_t>(words.size()), scratch);
  }
}

const float* Decoder::step(const std::vector<LastWord>& words, const Positions::Table& positions, StateCache& cache,
                           Scratch& scratch, float* attention) const {
  const auto rows = static_cast<std::int64_t>(words.size());
  float* states = scratch.states.grow(rows * stack_.dim);
  for (std::int64_t row = 0; row < rows; ++row)
    embedding_.apply(words[row].token, positions.row(static_cast<std::int64_t>(words[row].slots->size()) - 1),
                     states + row * stack_.dim);
  if (with_halves_)
    apply_layers<Half>(words, cache, states, scratch, attention);
  else
    apply_layers<float>(words, cache, states, scratch, attention);
  if (stack_.final_norm) final_norm_.apply(states, rows, stack_.dim, states);
  return states;
}

}  // namespace nmt_prune
