#include "beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nmt_prune {

BeamSearch::BeamSearch(const SearchOptions& options, const Symbols& symbols, std::int64_t max_len,
                       const std::vector<std::int32_t>& prefix, const std::vector<double>& draws)
    : options_(options), symbols_(symbols), max_len_(max_len), prefix_(prefix), draws_(draws), beams_(1) {
  if (options.sampling) beams_.resize(static_cast<std::size_t>(options.beam));
  for (std::size_t i = 0; i < beams_.size(); ++i) beams_[i].sample = static_cast<std::int64_t>(i);
}

Question BeamSearch::question(const Beam& beam) const {
  Question question{2 * options_.beam, {symbols_.pad}};
  if (options_.sampling) question.draw = draws_[beam.sample * (max_len_ + 1) + step()];
  if (step() >= max_len_) {
    question.forced = symbols_.eos;
  } else if (step() < static_cast<std::int64_t>(prefix_.size())) {
    question.forced = prefix_[step()];
  } else {
    if (step() < options_.min_len) question.banned.push_back(symbols_.eos);
    ban_repetitions(beam, question.banned);
  }
  return question;
}

void BeamSearch::ban_repetitions(const Beam& beam, std::vector<std::int32_t>& banned) const {
  const std::int64_t context = options_.no_repeat_ngram_size - 1;
  if (context < 0 || step() <= context) return;
  const auto& tokens = beam.tokens;
  for (auto next = tokens.begin() + context; next != tokens.end(); ++next)
    if (std::equal(next - context, next, tokens.end() - context)) banned.push_back(*next);
}

std::vector<BeamSearch::Candidate> BeamSearch::candidates(const std::vector<Scored>* words) const {
  std::vector<Candidate> found;
  for (std::size_t beam = 0; beam < beams_.size(); ++beam) {
    const float total = beams_[beam].totals.empty() ? 0.0f : beams_[beam].totals.back();
    for (const Scored& word : words[beam])
      found.push_back({total + word.score, static_cast<std::int32_t>(beam), word.token});
  }
  const auto wanted = std::min(found.size(), static_cast<std::size_t>(2 * options_.beam));
  std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(wanted), found.end(),
                    [](const Candidate& a, const Candidate& b) {
                      if (a.total != b.total) return a.total > b.total;
                      return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
                    });
  found.resize(wanted);
  return found;
}

// Twice as many candidates as beams are looked at, so that enough are left when half of them end the sentence; those
// that do count only among the first half.
void BeamSearch::advance(const std::vector<Scored>* words, StateCache& cache) {
  const auto size = static_cast<std::size_t>(options_.beam);
  const bool last = step() >= max_len_;
  const bool end_is_forced = !last && step() < static_cast<std::int64_t>(prefix_.size()) &&
                             prefix_[step()] == symbols_.eos;
  const std::vector<Candidate> ranked = candidates(words);
  std::vector<Candidate> chosen;
  for (std::size_t rank = 0; rank < ranked.size() && chosen.size() < size; ++rank) {
    const Candidate& candidate = ranked[rank];
    if (candidate.token != symbols_.eos) {
      chosen.push_back(candidate);
    } else if (rank < size) {
      complete(candidate);
      // All of fairseq's beams are then copies of the first one.
      if (end_is_forced) complete_.resize(size, complete_.back());
    }
  }
  finished_ = last || complete_.size() == size || chosen.empty();
  if (finished_) chosen.clear();
  beams_ = continuations(chosen, cache);
}

// A beam is copied for all that follow it but the last.
std::vector<BeamSearch::Beam> BeamSearch::continuations(const std::vector<Candidate>& chosen, StateCache& cache) {
  std::vector<std::int32_t> left(beams_.size());
  for (const Candidate& candidate : chosen) ++left[candidate.beam];
  for (std::size_t beam = 0; beam < beams_.size(); ++beam)
    if (left[beam] == 0) cache.release(beams_[beam].slots);
  std::vector<Beam> next;
  next.reserve(chosen.size());
  for (const Candidate& candidate : chosen) {
    Beam& before = beams_[candidate.beam];
    if (--left[candidate.beam] > 0) {
      cache.hold(before.slots);
      next.push_back(before);
    } else {
      next.push_back(std::move(before));
    }
    next.back().tokens.push_back(candidate.token);
    next.back().totals.push_back(candidate.total);
  }
  return next;
}

void BeamSearch::complete(const Candidate& candidate) {
  if (complete_.size() == static_cast<std::size_t>(options_.beam)) return;
  const Beam& beam = beams_[candidate.beam];
  Hypothesis hypothesis{beam.tokens, candidate.total, beam.totals};
  hypothesis.tokens.push_back(symbols_.eos);
  if (options_.is_greedy()) {
    complete_.push_back({std::move(hypothesis.tokens), std::numeric_limits<float>::quiet_NaN(), {}});
    return;
  }
  hypothesis.token_scores.push_back(candidate.total);
  auto& scores = hypothesis.token_scores;
  for (std::size_t i = scores.size() - 1; i > 0; --i) scores[i] -= scores[i - 1];
  if (options_.normalize_scores)
    hypothesis.score /= static_cast<float>(std::pow(static_cast<double>(scores.size()), options_.lenpen));
  complete_.push_back(std::move(hypothesis));
}

std::vector<Hypothesis> BeamSearch::result() const {
  std::vector<Hypothesis> sorted = complete_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
  sorted.resize(std::min(sorted.size(), static_cast<std::size_t>(options_.nbest)));
  return sorted;
}

}  // namespace nmt_prune
