#include "next_words.h"

#include <algorithm>
#include <cmath>

#include "kernels.h"
#include "sampling.h"

namespace nmt_prune {
namespace {

// Log of e^a + e^b.
float log_add(float a, float b) {
  const float high = std::max(a, b), low = std::min(a, b);
  return low == -infinity ? high : high + std::log1p(std::exp(low - high));
}

void insert(std::vector<Scored>& answer, Scored word) {
  if (!(word.score > -infinity)) return;
  const auto before = [](const Scored& a, const Scored& b) {
    return a.score != b.score ? a.score > b.score : a.token < b.token;
  };
  answer.insert(std::upper_bound(answer.begin(), answer.end(), word, before), word);
}

// Of a softmax that nobody asks for only the order is left.
std::vector<Scored> best_word(float* logits, const OutputWords& words, const Question& question,
                              const SearchOptions& options, const Symbols& symbols) {
  if (question.forced >= 0) return {{0.0f, question.forced}};
  const auto lower = [&](std::int32_t word, float by) {
    const std::int32_t place = words.place(word);
    if (place >= 0) logits[place] -= by;
  };
  for (const std::int32_t word : question.banned) lower(word, infinity);
  if (options.unkpen != 0.0f) lower(symbols.unk, options.unkpen * options.temperature);
  const std::int64_t best = kernels().vectors.highest(logits, words.size());
  if (best < 0) return {};
  return {{0.0f, words.word(static_cast<std::int32_t>(best))}};
}

}  // namespace

std::vector<Scored> next_words(float* logits, const OutputWords& words, const Question& question,
                               const SearchOptions& options, const Symbols& symbols) {
  if (options.is_greedy()) return best_word(logits, words, question, options, symbols);
  const std::int64_t size = words.size();
  if (options.temperature != 1.0f)
    for (std::int64_t i = 0; i < size; ++i) logits[i] /= options.temperature;
  const bool forced = question.forced >= 0;
  if (options.sampling && !forced) return drawn_word(logits, words, question, options, symbols);
  float total = -infinity;  // logarithm of the probabilities of words that are set aside
  const auto set_aside = [&](std::int32_t word) {
    const std::int32_t place = words.place(word);
    if (place < 0) return -infinity;
    const float logit = logits[place];
    total = log_add(total, logit);
    logits[place] = -infinity;
    return logit;
  };
  // Their probability counts though they are never chosen; the unknown word's is changed after normalization.
  Scored unknown{-infinity, symbols.unk};
  if (!forced) {
    for (const std::int32_t word : question.banned) set_aside(word);
    if (options.unkpen != 0.0f) unknown.score = set_aside(symbols.unk);
  }
  const std::int64_t count = forced ? 0 : std::min(question.count, size);
  std::vector<Scored> answer(static_cast<std::size_t>(count));
  float rest;
  answer.resize(static_cast<std::size_t>(kernels().vectors.top(logits, size, count, answer.data(), &rest)));
  total = log_add(total, rest);  // which takes what is not a number for nothing
  if (std::isnan(rest) || !std::isfinite(total)) return {};
  for (Scored& word : answer) word = {word.score - total, words.word(word.token)};
  if (forced) {
    const float penalty = question.forced == symbols.unk ? options.unkpen : 0.0f;
    insert(answer, {logits[words.place(question.forced)] - total - penalty, question.forced});
  } else if (options.unkpen != 0.0f) {
    insert(answer, {unknown.score - total - options.unkpen, symbols.unk});
  }
  return answer;
}

}  // namespace nmt_prune
