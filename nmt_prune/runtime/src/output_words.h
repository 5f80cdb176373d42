// The words from which a search chooses: the whole dictionary, or a list.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "layers.h"

namespace nmt_prune {

// Logits lie in the order of the list, which ascends; a place in it is not the word's row in the dictionary.
class OutputWords {
 public:
  explicit OutputWords(const Linear& projection) : projection_(projection) {}
  // tokens: the most for which logits are made at a time.
  OutputWords(const Linear& projection, const std::vector<std::int32_t>& words, std::int64_t tokens);

  std::int64_t size() const { return projection_.weight->rows(); }
  std::int32_t word(std::int32_t place) const { return words_.empty() ? place : words_[place]; }
  // Negative where the list lacks it.
  std::int32_t place(std::int32_t word) const;

  // Tokens x size().
  float* logits(const float* states, std::int64_t tokens, Scratch& scratch) const;

 private:
  std::vector<std::int32_t> words_;  // none: all
  std::unique_ptr<Matrix> weight_;
  std::vector<float> bias_;
  Linear projection_;
};

}  // namespace nmt_prune
