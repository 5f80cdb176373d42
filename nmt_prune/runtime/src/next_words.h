// From logits to log-probabilities of the words that a hypothesis may be continued with.
#pragma once

#include <cstdint>
#include <vector>

#include "beam_search.h"
#include "output_words.h"

namespace nmt_prune {

// Answers a question, the most likely word first, or with the one that is drawn; fewer words where the others'
// probability is zero, none where logits are not numbers. Overwrites logits, which are those of `words`.
std::vector<Scored> next_words(float* logits, const OutputWords& words, const Question& question,
                               const SearchOptions& options, const Symbols& symbols);

}  // namespace nmt_prune
