// Groups of int8 weights whose products may be added in 16 bits, before they are widened.
#pragma once
#include <cstdint>

namespace nmt_prune {

// Puts into `order` the groups from 0 to `count` of which each has so many bytes, `stride` bytes apart: those that come
// in pairs first, partners side by side. Returns how many these are. A pair's four products per lane of 16 bits, of two
// neighbouring bytes of each group with inputs of at most 128, have 16 bits.
std::int64_t pair_groups(const std::int8_t* groups, std::int64_t stride, int bytes, std::int64_t count,
                         std::uint16_t* order);

}  // namespace nmt_prune
