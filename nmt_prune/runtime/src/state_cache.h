// Keys and values of the words written so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "aligned.h"

namespace nmt_prune {

// One slot per word written, for all layers together. Hypotheses share the slots of the words that they have in common
// (a hypothesis is a list of slots), so that nothing is copied when the beam is reordered; a slot that no hypothesis
// holds any longer is used again.
class StateCache {
 public:
  explicit StateCache(std::size_t bytes_per_slot) : stride_(bytes_per_slot + skew) {}

  // A slot, held once.
  std::int32_t take() {
    if (free_.empty()) add_chunk();
    const std::int32_t slot = free_.back();
    free_.pop_back();
    holders_[slot] = 1;
    return slot;
  }
  void hold(const std::vector<std::int32_t>& slots) {
    for (const std::int32_t slot : slots) ++holders_[slot];
  }
  void release(const std::vector<std::int32_t>& slots) {
    for (const std::int32_t slot : slots)
      if (--holders_[slot] == 0) free_.push_back(slot);
  }
  template <class Stored>
  Stored* at(std::int32_t slot) {
    return reinterpret_cast<Stored*>(chunks_[slot / chunk_slots].data() + slot % chunk_slots * stride_);
  }

 private:
  void add_chunk() {
    chunks_.emplace_back(chunk_slots * stride_);
    const auto first = static_cast<std::int32_t>(holders_.size());
    holders_.resize(holders_.size() + chunk_slots);
    for (std::int32_t i = chunk_slots; i > 0; --i) free_.push_back(first + i - 1);
  }

  static constexpr std::int32_t chunk_slots = 32;
  // A power of two between slots would put all of them into the same few lines of the first cache.
  static constexpr std::size_t skew = 192;
  std::size_t stride_;
  std::vector<Aligned<unsigned char>> chunks_;  // never moved
  std::vector<std::int32_t> holders_, free_;
};

}  // namespace nmt_prune
