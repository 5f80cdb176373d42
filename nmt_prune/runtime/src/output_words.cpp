#include "output_words.h"

#include <algorithm>

namespace nmt_prune {

OutputWords::OutputWords(const Linear& projection, const std::vector<std::int32_t>& words, std::int64_t tokens)
    : words_(words), weight_(projection.weight->select(words, tokens)), projection_(projection) {
  projection_.weight = weight_.get();
  if (projection.bias == nullptr) return;
  for (const std::int32_t word : words) bias_.push_back(projection.bias[word]);
  projection_.bias = bias_.data();
}

std::int32_t OutputWords::place(std::int32_t word) const {
  if (words_.empty()) return word;
  const auto found = std::lower_bound(words_.begin(), words_.end(), word);
  return found != words_.end() && *found == word ? static_cast<std::int32_t>(found - words_.begin()) : -1;
}

float* OutputWords::logits(const float* states, std::int64_t tokens, Scratch& scratch) const {
  float* logits = scratch.logits.grow(static_cast<std::size_t>(tokens * size()));
  projection_.apply(states, tokens, logits, scratch.products);
  return logits;
}

}  // namespace nmt_prune
