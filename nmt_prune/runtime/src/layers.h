// The parts of which both stacks are made.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "kernels.h"
#include "matrix.h"
#include "parameters.h"
#include "positions.h"
#include "stack.h"

namespace nmt_prune {

// Scratch memory of one thread for a whole model; buffers grow to what the largest batch so far needs.
struct Scratch {
  Workspace products;
  Aligned<float> states, normed, change, projected, context, hidden, scores, memory, logits;

  template <class Stored>
  std::vector<const Stored*>& keys_of();

 private:
  std::vector<const float*> keys_;
  std::vector<const Half*> half_keys_;
};
template <>
inline std::vector<const float*>& Scratch::keys_of() {
  return keys_;
}
template <>
inline std::vector<const Half*>& Scratch::keys_of() {
  return half_keys_;
}

struct Norm {
  const float* gain = nullptr;
  const float* bias = nullptr;

  Norm() = default;
  Norm(Parameters& parameters, const std::string& name, std::int64_t dim)
      : gain(parameters.vector(name + ".weight", dim)), bias(parameters.vector(name + ".bias", dim)) {}
  void apply(const float* x, std::int64_t rows, std::int64_t dim, float* output) const {
    kernels().vectors.layer_norm(x, gain, bias, rows, dim, output);
  }
};

struct Linear {
  const Matrix* weight = nullptr;
  const float* bias = nullptr;

  Linear() = default;
  Linear(Parameters& parameters, const std::string& name, std::int64_t outputs, std::int64_t inputs)
      : weight(&parameters.matrix(name + ".weight", outputs, inputs)),
        bias(parameters.optional_vector(name + ".bias", outputs)) {}
  void apply(const float* x, std::int64_t rows, float* output, Workspace& workspace,
             Activation activation = Activation::none) const {
    const std::int64_t passes = (rows + rows_at_once - 1) / rows_at_once;
    const std::int64_t some = passes > 0 ? (rows + passes - 1) / passes : 0;
    for (std::int64_t first = 0; first < rows; first += some)
      weight->multiply(x + first * weight->columns(), std::min(some, rows - first), bias, activation,
                       output + first * weight->rows(), workspace);
  }

  // The inputs of so many rows stay in the first caches while the weights pass by, again and again: of the words of a
  // whole batch, which the encoder has at once, they would not.
  static constexpr std::int64_t rows_at_once = 48;
};

// What surrounds a sublayer: its residual connection and its layer norm, in front or behind.
class Residual {
 public:
  Residual() = default;
  // Of a sublayer without units only the output bias is left, and no layer norm in front of it.
  Residual(Parameters& parameters, const std::string& norm, const std::string& output, const Stack& stack, bool gone)
      : dim_(stack.dim), pre_norm_(stack.pre_norm) {
    if (!gone || !pre_norm_) norm_ = Norm(parameters, norm, dim_);
    if (gone) left_ = parameters.vector(output + ".bias", dim_);
  }

  // compute(input, output) is the sublayer.
  template <class Compute>
  void apply(float* states, std::int64_t rows, Scratch& scratch, Compute compute) const {
    if (left_) {
      for (std::int64_t row = 0; row < rows; ++row) kernels().vectors.add(states + row * dim_, left_, dim_);
    } else {
      const float* input = states;
      if (pre_norm_) {
        float* normed = scratch.normed.grow(rows * dim_);
        norm_.apply(states, rows, dim_, normed);
        input = normed;
      }
      float* change = scratch.change.grow(rows * dim_);
      compute(input, change);
      kernels().vectors.add(states, change, rows * dim_);
    }
    if (!pre_norm_) norm_.apply(states, rows, dim_, states);
  }

 private:
  std::int64_t dim_ = 0;
  bool pre_norm_ = false;
  Norm norm_;
  const float* left_ = nullptr;
};

class FeedForward {
 public:
  FeedForward(Parameters& parameters, const std::string& layer, const Stack& stack, std::int64_t units);
  void apply(float* states, std::int64_t rows, Scratch& scratch) const;

 private:
  std::int64_t units_;
  Nonlinearity activation_;
  Residual residual_;
  Linear first_, second_;
};

// Scaled token embeddings plus positions, normed where the stack says so.
class Embedding {
 public:
  Embedding(Parameters& parameters, const std::string& prefix, const Stack& stack, std::int32_t pad);
  std::int64_t vocabulary() const { return tokens_->rows(); }
  const Positions& positions() const { return positions_; }
  void apply(std::int32_t token, const float* position, float* output) const;

 private:
  const Matrix* tokens_;
  Positions positions_;
  std::int64_t dim_;
  float scale_;
  Norm norm_;
};

}  // namespace nmt_prune
