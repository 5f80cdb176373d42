#include "encoder.h"

#include "source_attention.h"

namespace nmt_prune {

Encoder::SelfAttention::SelfAttention(Parameters& parameters, const std::string& layer, const Stack& stack,
                                      std::int64_t heads)
    : heads_(heads),
      head_dim_(stack.head_dim),
      residual_(parameters, layer + "self_attn_layer_norm", layer + "self_attn.out_proj", stack, heads == 0) {
  if (heads == 0) return;
  const std::int64_t width = heads * stack.head_dim;
  projections_ = Linear(parameters, layer + "self_attn.qkv_proj", 3 * width, stack.dim);
  output_ = Linear(parameters, layer + "self_attn.out_proj", stack.dim, width);
}

void Encoder::SelfAttention::apply(const Sentences& sentences, float* states, std::int64_t rows,
                                   Scratch& scratch) const {
  residual_.apply(states, rows, scratch, [&](const float* input, float* output) {
    const std::int64_t width = heads_ * head_dim_;
    float* projected = scratch.projected.grow(rows * 3 * width);
    float* context = scratch.context.grow(rows * width);
    projections_.apply(input, rows, projected, scratch.products);
    std::int64_t first = 0;
    for (const auto* sentence : sentences) {
      const auto length = static_cast<std::int64_t>(sentence->size());
      const float* queries = projected + first * 3 * width;
      float* memory = scratch.memory.grow(heads_ * head_memory_size(length, head_dim_));
      lay_out_heads(queries + width, queries + 2 * width, 3 * width, length, heads_, head_dim_, memory);
      attend(queries, length, 3 * width, memory, length, heads_, head_dim_, context + first * width, scratch);
      first += length;
    }
    output_.apply(context, rows, output, scratch.products);
  });
}

Encoder::Encoder(const Stack& stack, Parameters& parameters, std::int32_t pad)
    : stack_(stack), embedding_(parameters, "encoder.", stack, pad) {
  if (stack.ffn.size() != stack.heads.size()) throw InvalidInput("encoder.heads and encoder.ffn differ in length");
  for (std::size_t i = 0; i < stack.heads.size(); ++i) {
    const std::string layer = "encoder.layers." + std::to_string(i) + ".";
    layers_.push_back({SelfAttention(parameters, layer, stack, stack.heads[i]),
                       FeedForward(parameters, layer, stack, stack.ffn[i])});
  }
  if (stack.final_norm) final_norm_ = Norm(parameters, "encoder.layer_norm", stack.dim);
}

const float* Encoder::encode(const Sentences& sentences, Scratch& scratch) const {
  std::int64_t rows = 0, longest = 0;
  for (const auto* sentence : sentences) {
    const auto length = static_cast<std::int64_t>(sentence->size());
    rows += length;
    longest = length > longest ? length : longest;
  }
  const Positions::Table positions = embedding_.positions().first(longest);
  float* states = scratch.states.grow(rows * stack_.dim);
  float* state = states;
  for (const auto* sentence : sentences)
    for (std::size_t place = 0; place < sentence->size(); ++place, state += stack_.dim)
      embedding_.apply((*sentence)[place], positions.row(static_cast<std::int64_t>(place)), state);
  for (const Layer& layer : layers_) {
    layer.attention.apply(sentences, states, rows, scratch);
    layer.feed_forward.apply(states, rows, scratch);
  }
  if (stack_.final_norm) final_norm_.apply(states, rows, stack_.dim, states);
  return states;
}

}  // namespace nmt_prune
