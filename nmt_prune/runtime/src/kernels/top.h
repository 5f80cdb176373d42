// The most likely next words.
#pragma once
#include <limits>

#include "../vector_kernels.h"
#include "rows.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// The best so far, sorted: a list of about ten that seldom changes.
struct Best {
  Scored* list;
  std::int64_t capacity;
  std::int64_t found = 0;
  float threshold = std::numeric_limits<float>::lowest();  // below it no place is left

  bool before(Scored word, const Scored& other) const {
    return word.score > other.score || (word.score == other.score && word.token < other.token);
  }
  void offer(Scored word) {
    if (!(word.score >= threshold) || (found == capacity && !before(word, list[capacity - 1]))) return;
    std::int64_t place = found < capacity ? found++ : capacity - 1;
    for (; place > 0 && before(word, list[place - 1]); place--) list[place] = list[place - 1];
    list[place] = word;
    if (found == capacity) threshold = list[capacity - 1].score;
  }
};

// Sum of e^(logit - shift); as long as logits come, the shift is the highest of them.
struct SumOfExponentials {
  float shift = std::numeric_limits<float>::lowest();
  double sum = 0;

  void add(const float* logits, std::int64_t size, float highest) {
    if (highest > shift) {
      sum *= exponential(shift - highest);
      shift = highest;
    }
    sum += total(logits, size, [this](Vector v) { return exponential(v - shift); });
  }
};

// So many of the logits that are left are looked at together, whole vectors; they stay in the first cache.
NMT_PRUNE_INLINE std::int64_t block_of(std::int64_t left) {
  return left < 32 * width ? left / width * width : 32 * width;
}

std::int64_t top(const float* logits, std::int64_t size, std::int64_t count, Scored* best, float* log_sum_exponentials) {
  Best list{best, count};
  SumOfExponentials exponentials;
  std::int64_t begin = 0;
  for (std::int64_t block; (block = block_of(size - begin)) > 0; begin += block) {
    Vector highest = load(logits + begin);
    for (std::int64_t i = width; i < block; i += width) highest = larger(highest, load(logits + begin + i));
    float maximal = maximum(highest);
    if (count && maximal >= list.threshold)
      for (std::int64_t lane = 0; lane < width; lane++)
        if (highest[lane] >= list.threshold)
          for (std::int64_t i = begin + lane; i < begin + block; i += width)
            list.offer({logits[i], static_cast<std::int32_t>(i)});
    exponentials.add(logits + begin, block, maximal);
  }
  float maximal = -infinity;
  for (std::int64_t i = begin; i < size; i++) {
    if (logits[i] > maximal) maximal = logits[i];
    if (count) list.offer({logits[i], static_cast<std::int32_t>(i)});
  }
  exponentials.add(logits + begin, size - begin, maximal);
  *log_sum_exponentials = exponentials.shift + static_cast<float>(__builtin_log(exponentials.sum));
  return list.found;
}

std::int64_t highest(const float* logits, std::int64_t size) {
  float best = -infinity;
  std::int64_t place = 0, begin = 0;
  Integers broken{};
  for (std::int64_t block; (block = block_of(size - begin)) > 0; begin += block) {
    Vector most = all(-infinity);
    for (std::int64_t i = begin; i < begin + block; i += width) {
      const Vector some = load(logits + i);
      most = larger(some, most);
      broken |= some != some;
    }
    const float maximal = maximum(most);
    if (maximal > best) {
      best = maximal;
      place = begin;
    }
  }
  bool is_broken = false;
  for (std::int64_t lane = 0; lane < width; lane++) is_broken |= broken[lane] != 0;
  for (std::int64_t i = begin; i < size; i++) {
    is_broken |= logits[i] != logits[i];
    if (logits[i] > best) {
      best = logits[i];
      place = i;
    }
  }
  if (is_broken || !(best > -infinity && best < infinity)) return -1;
  while (logits[place] != best) place++;
  return place;
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
