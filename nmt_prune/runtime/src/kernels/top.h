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
  // At least as many words as there are places have this score or a better one.
  void expect(float score) {
    if (score > threshold) threshold = score;
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

// Bit i: whether lane i is at least so much.
NMT_PRUNE_INLINE unsigned at_least(Vector x, float least) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(x), _mm512_set1_ps(least), _CMP_GE_OQ);
#elif defined(__AVX2__)
  return _mm256_movemask_ps(_mm256_cmp_ps(reinterpret_cast<__m256>(x), _mm256_set1_ps(least), _CMP_GE_OQ));
#elif defined(__SSE2__)
  return _mm_movemask_ps(_mm_cmpge_ps(reinterpret_cast<__m128>(x), _mm_set1_ps(least)));
#else
  unsigned bits = 0;
  for (int lane = 0; lane < width; lane++) bits |= unsigned(x[lane] >= least) << lane;
  return bits;
#endif
}

// The highest logits of a block by place modulo `lanes`: each is of another word.
struct Highest {
  static constexpr std::int64_t parts = 32 / width, lanes = parts * width;
  Vector of[parts];

  Highest(const float* logits, std::int64_t size) {
    for (Vector& part : of) part = all(-infinity);
    std::int64_t i = 0;
    for (; i + lanes <= size; i += lanes) {
      NMT_PRUNE_UNROLL
      for (std::int64_t part = 0; part < parts; part++) of[part] = larger(of[part], load(logits + i + part * width));
    }
    for (std::int64_t part = 0; i < size; i += width, part++) of[part] = larger(of[part], load(logits + i));
  }
  float maximal() const {
    Vector most = of[0];
    for (std::int64_t part = 1; part < parts; part++) most = larger(most, of[part]);
    return maximum(most);
  }
  // What at least so many of them have.
  float of_so_many(std::int64_t count) const {
    float logits[lanes], best = -infinity;
    std::memcpy(logits, of, sizeof logits);
    for (const float logit : logits) {
      int as_high = 0;
      NMT_PRUNE_UNROLL
      for (std::int64_t part = 0; part < parts; part++) as_high += __builtin_popcount(at_least(of[part], logit));
      best = as_high >= count && logit > best ? logit : best;
    }
    return best;
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
    const Highest highest(logits + begin, block);
    const float maximal = highest.maximal();
    if (count && maximal >= list.threshold) {
      if (list.found < count && count <= Highest::lanes) list.expect(highest.of_so_many(count));
      for (std::int64_t i = begin; i < begin + block; i += width)
        for (unsigned bits = at_least(load(logits + i), list.threshold); bits; bits &= bits - 1) {
          const std::int64_t place = i + __builtin_ctz(bits);
          list.offer({logits[place], static_cast<std::int32_t>(place)});
        }
    }
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
