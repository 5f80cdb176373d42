#include "next_words.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels.h"

namespace nmt_prune {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// Log of e^a + e^b.
float log_add(float a, float b) {
  const float high = std::max(a, b), low = std::min(a, b);
  return low == -infinity ? high : high + std::log1p(std::exp(low - high));
}

void insert(std::vector<Scored>& words, Scored word) {
  if (!(word.score > -infinity)) return;
  const auto before = [](const Scored& a, const Scored& b) {
    return a.score != b.score ? a.score > b.score : a.token < b.token;
  };
  words.insert(std::upper_bound(words.begin(), words.end(), word, before), word);
}

}  // namespace

std::vector<Scored> next_words(float* logits, std::int64_t vocabulary, const Question& question,
                               const SearchOptions& options, const Symbols& symbols) {
  if (options.temperature != 1.0f)
    for (std::int64_t i = 0; i < vocabulary; ++i) logits[i] /= options.temperature;
  const bool forced = question.forced >= 0;
  float total = -infinity;  // logarithm of the probabilities of words that are set aside
  const auto set_aside = [&](std::int32_t token) {
    const float logit = logits[token];
    total = log_add(total, logit);
    logits[token] = -infinity;
    return logit;
  };
  // Their probability counts though they are never chosen; the unknown word's is changed after normalization.
  Scored unknown{-infinity, symbols.unk};
  if (!forced) {
    for (const std::int32_t token : question.banned) set_aside(token);
    if (options.unkpen != 0.0f) unknown.score = set_aside(symbols.unk);
  }
  const std::int64_t count = forced ? 0 : std::min(question.count, vocabulary);
  std::vector<Scored> words(static_cast<std::size_t>(count));
  float rest;
  words.resize(static_cast<std::size_t>(kernels().vectors.top(logits, vocabulary, count, words.data(), &rest)));
  total = log_add(total, rest);
  if (!std::isfinite(total)) return {};
  for (Scored& word : words) word.score -= total;
  if (forced) {
    insert(words, {logits[question.forced] - total - (question.forced == symbols.unk ? options.unkpen : 0.0f),
                   question.forced});
  } else if (options.unkpen != 0.0f) {
    insert(words, {unknown.score - total - options.unkpen, symbols.unk});
  }
  return words;
}

}  // namespace nmt_prune
