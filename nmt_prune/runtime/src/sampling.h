// Drawing the next word.
#pragma once

#include <vector>

#include "beam_search.h"
#include "output_words.h"

namespace nmt_prune {

// The word that the question's draw decides for, as fairseq's Sampling weighs them: by the probabilities of those that
// are not banned, all, the sampling_topk most likely, or as few of the most likely as make up sampling_topp. Its score
// is its log-probability among all words. None where no word is left or logits are not numbers. Overwrites logits,
// which are divided by the temperature already.
std::vector<Scored> drawn_word(float* logits, const OutputWords& words, const Question& question,
                               const SearchOptions& options, const Symbols& symbols);

}  // namespace nmt_prune
