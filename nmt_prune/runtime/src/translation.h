// Translates batches of sentences.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "beam_search.h"
#include "decoder.h"
#include "encoder.h"
#include "output_words.h"

namespace nmt_prune {

using Sentence = std::vector<std::int32_t>;

// Hypotheses that grow together: more do not make a product cheaper, but their keys and values leave the caches.
constexpr std::int64_t hypotheses_at_once = 80;

void check_tokens(const Sentence& tokens, std::int64_t vocabulary, const Symbols& symbols, const std::string& what);

// Weights must outlive it; threads may share it.
class Model {
 public:
  // with_halves: see Decoder.
  Model(const Architecture& architecture, Parameters& parameters, const Symbols& symbols, bool with_halves);

  // prefixes: empty or one per source. Sentences are dealt out to threads. words: those from which translations are
  // made, ascending, with the end of sentence and what prefixes hold; empty: all. draws: where words are sampled, of
  // each source what BeamSearch needs. A source has fewer than nbest hypotheses, or none, where the options forbid every
  // word or logits are not numbers.
  std::vector<std::vector<Hypothesis>> search(const std::vector<Sentence>& sources, const SearchOptions& options,
                                              const std::vector<Sentence>& prefixes, std::int64_t threads,
                                              const std::vector<std::int32_t>& words,
                                              const std::vector<std::vector<double>>& draws) const;

  // How much of each source word every word of given translations takes, on average over the heads of the last
  // layer's cross-attention: for each source and each of its targets, which end with the end of sentence, target words
  // x source words.
  std::vector<std::vector<std::vector<float>>> attention(const std::vector<Sentence>& sources,
                                                         const std::vector<std::vector<Sentence>>& targets) const;

 private:
  struct Job {  // one sentence of a batch
    const Sentence* source;
    const Sentence* prefix;
    const std::vector<double>* draws;
    std::vector<Hypothesis>* result;
  };
  void check(const std::vector<Sentence>& sources) const;
  void check(const std::vector<Sentence>& sources, const SearchOptions& options,
             const std::vector<Sentence>& prefixes) const;
  void check_draws(const std::vector<std::vector<double>>& draws, const std::vector<Sentence>& sources,
                   const SearchOptions& options) const;
  void check_words(const std::vector<std::int32_t>& words, const std::vector<Sentence>& prefixes) const;
  std::int64_t max_len(const Sentence& source, const SearchOptions& options) const;
  void translate(const std::vector<Job>& jobs, const SearchOptions& options, const OutputWords& output,
                 Scratch& scratch) const;
  void force(const std::vector<Job>& jobs, const std::vector<Sentence>* targets,
             std::vector<std::vector<float>>* results, Scratch& scratch) const;
  std::vector<SourceMemory> encode(const std::vector<Job>& jobs, Scratch& scratch) const;

  Symbols symbols_;
  Encoder encoder_;
  Decoder decoder_;

  // Scratch memory of searches that are over, for those to come.
  std::unique_ptr<Scratch> borrow_scratch() const;
  void return_scratch(std::unique_ptr<Scratch> scratch) const;
  mutable std::mutex idle_mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> idle_;
};

}  // namespace nmt_prune
