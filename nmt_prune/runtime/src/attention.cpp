#include <algorithm>

#include "translation.h"

namespace nmt_prune {
namespace {

// A translation that is read again, word by word.
struct Reading {
  const Sentence* target;
  const SourceMemory* source;
  std::vector<float>* result;
  std::vector<std::int32_t> slots;
};

}  // namespace

std::vector<std::vector<std::vector<float>>> Model::attention(const std::vector<Sentence>& sources,
                                                              const std::vector<std::vector<Sentence>>& targets) const {
  if (!decoder_.has_attention()) throw InvalidInput("the last layer of the decoder has no cross-attention");
  check(sources);
  if (targets.size() != sources.size())
    throw InvalidInput("there are targets of " + std::to_string(targets.size()) + " sources, not of " +
                       std::to_string(sources.size()));
  for (std::size_t i = 0; i < targets.size(); ++i)
    for (const Sentence& target : targets[i]) {
      check_tokens(target, decoder_.vocabulary(), symbols_, "a target of source " + std::to_string(i));
      if (static_cast<std::int64_t>(target.size()) > decoder_.max_positions())
        throw InvalidInput("a target of source " + std::to_string(i) + " is longer than the decoder's positions");
    }
  std::vector<std::vector<std::vector<float>>> results(sources.size());
  std::unique_ptr<Scratch> scratch = borrow_scratch();
  for (std::size_t first = 0, last; first < sources.size(); first = last) {
    std::vector<Job> jobs;
    std::size_t count = 0;
    for (last = first; last < sources.size(); ++last) {
      count += targets[last].size();
      if (last > first && count > static_cast<std::size_t>(hypotheses_at_once)) break;
      jobs.push_back({&sources[last], nullptr, nullptr, nullptr});
      results[last].resize(targets[last].size());
    }
    force(jobs, &targets[first], &results[first], *scratch);
  }
  return_scratch(std::move(scratch));
  return results;
}

void Model::force(const std::vector<Job>& jobs, const std::vector<Sentence>* targets,
                  std::vector<std::vector<float>>* results, Scratch& scratch) const {
  const std::vector<SourceMemory> memories = encode(jobs, scratch);
  std::vector<Reading> readings;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i)
    for (std::size_t j = 0; j < targets[i].size(); ++j) {
      readings.push_back({&targets[i][j], &memories[i], &results[i][j], {}});
      longest = std::max(longest, targets[i][j].size());
    }
  const Positions::Table positions = decoder_.positions().first(static_cast<std::int64_t>(longest));
  StateCache cache(decoder_.bytes_per_slot());
  std::vector<float> weights;
  for (std::size_t step = 0; step < longest; ++step) {
    std::vector<LastWord> words;
    std::vector<Reading*> going_on;
    std::int64_t size = 0;
    for (Reading& reading : readings) {
      const Sentence& target = *reading.target;
      if (step >= target.size()) continue;
      reading.slots.push_back(cache.take());
      words.push_back({step == 0 ? symbols_.eos : target[step - 1], &reading.slots, reading.source});
      going_on.push_back(&reading);
      size += reading.source->positions;
    }
    weights.resize(static_cast<std::size_t>(size));
    decoder_.step(words, positions, cache, scratch, weights.data());
    auto row = weights.begin();
    for (Reading* reading : going_on) {
      reading->result->insert(reading->result->end(), row, row + reading->source->positions);
      row += reading->source->positions;
    }
  }
}

}  // namespace nmt_prune
