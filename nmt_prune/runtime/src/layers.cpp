#include "layers.h"

namespace nmt_prune {

FeedForward::FeedForward(Parameters& parameters, const std::string& layer, const Stack& stack, std::int64_t units)
    : units_(units),
      activation_(stack.activation),
      residual_(parameters, layer + "final_layer_norm", layer + "fc2", stack, units == 0) {
  if (units == 0) return;
  first_ = Linear(parameters, layer + "fc1", units, stack.dim);
  second_ = Linear(parameters, layer + "fc2", stack.dim, units);
}

void FeedForward::apply(float* states, std::int64_t rows, Scratch& scratch) const {
  residual_.apply(states, rows, scratch, [&](const float* input, float* output) {
    float* hidden = scratch.hidden.grow(rows * units_);
    if (activation_ == Nonlinearity::relu) {
      first_.apply(input, rows, hidden, scratch.products, Activation::relu);
    } else {
      first_.apply(input, rows, hidden, scratch.products);
      kernels().vectors.activate(activation_, hidden, rows * units_);
    }
    second_.apply(hidden, rows, output, scratch.products);
  });
}

Embedding::Embedding(Parameters& parameters, const std::string& prefix, const Stack& stack, std::int32_t pad)
    : tokens_(&parameters.matrix(prefix + "embed_tokens.weight", stack.dim)),
      positions_(stack, parameters, prefix, pad),
      dim_(stack.dim),
      scale_(stack.embedding_scale) {
  if (stack.embedding_norm) norm_ = Norm(parameters, prefix + "layernorm_embedding", dim_);
}

void Embedding::apply(std::int32_t token, const float* position, float* output) const {
  tokens_->row(token, output);
  for (std::int64_t i = 0; i < dim_; ++i) output[i] *= scale_;
  if (position) kernels().vectors.add(output, position, dim_);
  if (norm_.gain) norm_.apply(output, 1, dim_, output);
}

}  // namespace nmt_prune
