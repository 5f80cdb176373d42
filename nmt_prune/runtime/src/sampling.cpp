#include "sampling.h"

#include <algorithm>
#include <cmath>

#include "kernels.h"

namespace nmt_prune {
namespace {

float log_sum(const float* logits, std::int64_t size) {
  float sum;
  kernels().vectors.top(logits, size, 0, nullptr, &sum);
  return sum;
}

double share(const Scored& place, float total) { return std::exp(static_cast<double>(place.score) - total); }

// Of places with logits the one in which `draw` of all their shares lies, of those that have any; `draw` becomes where
// in that one. Null where none has.
const Scored* pick(const std::vector<Scored>& places, float total, double& draw) {
  double left = 0;
  for (const Scored& place : places) left += share(place, total);
  left *= draw;
  const Scored* picked = nullptr;
  for (const Scored& place : places) {
    const double own = share(place, total);
    if (!(own > 0)) continue;
    picked = &place;
    draw = left / own;
    if (left < own) break;
    left -= own;
  }
  return picked;
}

// Places whose logits are above the least, in their order.
std::vector<Scored> in_order(const float* logits, std::int64_t first, std::int64_t last, float least) {
  std::vector<Scored> places;
  for (std::int64_t i = first; i < last; ++i)
    if (logits[i] > least) places.push_back({logits[i], static_cast<std::int32_t>(i)});
  return places;
}

// Up to which the kernel's list, into which words are inserted, beats a heap.
constexpr std::int64_t few = 128;

// The most likely places, as far as the options go; total and left: log_sum of all words, and without the banned ones.
std::vector<Scored> most_likely(const float* logits, std::int64_t size, float total, float left,
                                const SearchOptions& options) {
  const std::int64_t most = options.sampling_topk > 0 ? std::min(options.sampling_topk, size) : size;
  if (options.sampling_topk > 0 && most <= few) {
    std::vector<Scored> best(static_cast<std::size_t>(most));
    float sum;
    best.resize(static_cast<std::size_t>(kernels().vectors.top(logits, size, most, best.data(), &sum)));
    return best;
  }
  const double enough = options.sampling_topp > 0 ? options.sampling_topp : infinity;
  // Words below this are not missed, all together.
  const double spare = (std::exp(static_cast<double>(left) - total) - enough) / static_cast<double>(size);
  const float least = spare > 0 && spare < 1 ? total + static_cast<float>(std::log(spare / 2)) : -infinity;
  const auto after = [](const Scored& a, const Scored& b) {
    return a.score != b.score ? a.score < b.score : a.token > b.token;
  };
  std::vector<Scored> heap = in_order(logits, 0, size, least), found;
  std::make_heap(heap.begin(), heap.end(), after);
  double sum = 0;
  while (!heap.empty() && static_cast<std::int64_t>(found.size()) < most && sum < enough) {
    std::pop_heap(heap.begin(), heap.end(), after);
    found.push_back(heap.back());
    sum += share(heap.back(), total);
    heap.pop_back();
  }
  return found;
}

// The block, whose sums are fast, in which the draw lies.
std::vector<Scored> block_of(const float* logits, std::int64_t size, float total, double& draw) {
  constexpr std::int64_t block = 512;
  std::vector<Scored> blocks;
  for (std::int64_t first = 0; first < size; first += block)
    blocks.push_back({log_sum(logits + first, std::min(block, size - first)), static_cast<std::int32_t>(first)});
  const Scored* picked = pick(blocks, total, draw);
  if (picked == nullptr) return {};
  return in_order(logits, picked->token, std::min(size, picked->token + block), -infinity);
}

}  // namespace

std::vector<Scored> drawn_word(float* logits, const OutputWords& words, const Question& question,
                               const SearchOptions& options, const Symbols& symbols) {
  const std::int64_t size = words.size();
  const float total = log_sum(logits, size);
  if (!std::isfinite(total)) return {};
  const auto lower = [&](std::int32_t word, float by) {
    const std::int32_t place = words.place(word);
    if (place >= 0) logits[place] -= by;
  };
  lower(symbols.unk, options.unkpen);
  for (const std::int32_t word : question.banned) lower(word, infinity);
  const float left = log_sum(logits, size);
  if (!std::isfinite(left)) return {};
  double draw = question.draw;
  const bool all = options.sampling_topk == 0 && options.sampling_topp == 0;
  const std::vector<Scored> places =
      all ? block_of(logits, size, left, draw) : most_likely(logits, size, total, left, options);
  const Scored* picked = pick(places, left, draw);
  if (picked == nullptr) return {};
  return {{picked->score - total, words.word(picked->token)}};
}

}  // namespace nmt_prune
