// Beam search for one sentence, as fairseq's SequenceGenerator does it.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "stack.h"
#include "state_cache.h"

namespace nmt_prune {

constexpr float infinity = std::numeric_limits<float>::infinity();

// The same as nmt_prune.runtime.search_options.
struct SearchOptions {
  std::int64_t beam, nbest;
  double lenpen;
  float unkpen;
  double max_len_a;
  std::int64_t max_len_b, min_len, no_repeat_ngram_size;
  bool normalize_scores;
  float temperature;
  bool scores, sampling;
  std::int64_t sampling_topk;
  double sampling_topp;

  bool is_greedy() const { return beam == 1 && !scores && !sampling; }
};

struct Hypothesis {
  std::vector<std::int32_t> tokens;
  float score;  // not a number where the search is greedy, without scores of tokens
  std::vector<float> token_scores;
};

// Which words may follow a hypothesis.
struct Question {
  std::int64_t count;                // of words wanted, the most likely first
  std::vector<std::int32_t> banned;  // may name a word twice
  std::int32_t forced = -1;          // if not negative, the only one
  double draw = 0;                   // from 0 to 1, 1 excluded: where words are sampled, what decides
};

// A sentence's hypotheses; sampled ones go on each by itself. Those whose score is -infinity are left out: nothing
// that follows them could be chosen.
class BeamSearch {
 public:
  // max_len: words that a translation has at most, its end not counted. draws: where words are sampled, beam x
  // (max_len + 1).
  BeamSearch(const SearchOptions& options, const Symbols& symbols, std::int64_t max_len,
             const std::vector<std::int32_t>& prefix, const std::vector<double>& draws);

  struct Beam {
    std::vector<std::int32_t> tokens;  // behind the end of sentence with which the decoder begins
    std::vector<float> totals;         // sum of log-probabilities up to each token
    std::vector<std::int32_t> slots;   // of a StateCache
    std::int64_t sample = 0;           // which row of the draws is its own
  };
  std::vector<Beam>& beams() { return beams_; }
  bool finished() const { return finished_; }

  Question question(const Beam& beam) const;
  // words: an answer to the question of each beam; afterwards beams() are their continuations, and only their slots are
  // held, or none when the search has finished.
  void advance(const std::vector<Scored>* words, StateCache& cache);

  // The nbest hypotheses, the best first.
  std::vector<Hypothesis> result() const;

 private:
  struct Candidate {
    float total;
    std::int32_t beam, token;
  };
  std::int64_t step() const { return static_cast<std::int64_t>(beams_.front().tokens.size()); }
  std::vector<Candidate> candidates(const std::vector<Scored>* words) const;
  void complete(const Candidate& candidate);
  std::vector<Beam> continuations(const std::vector<Candidate>& chosen, StateCache& cache);
  void ban_repetitions(const Beam& beam, std::vector<std::int32_t>& banned) const;

  const SearchOptions& options_;
  const Symbols& symbols_;
  const std::int64_t max_len_;
  const std::vector<std::int32_t>& prefix_;
  const std::vector<double>& draws_;
  std::vector<Beam> beams_;
  std::vector<Hypothesis> complete_;
  bool finished_ = false;
};

}  // namespace nmt_prune
