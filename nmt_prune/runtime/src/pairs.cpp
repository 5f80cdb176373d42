#include "pairs.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <vector>

namespace nmt_prune {
namespace {

// Inputs are at most 128 and none is negative, so that a sum reaches furthest with the weights of one sign alone.
constexpr int most_of_pair = 32767 / 128;
constexpr int partners_tried = 32;

}  // namespace

std::int64_t pair_groups(const std::int8_t* groups, std::int64_t stride, int bytes, std::int64_t count,
                         std::uint16_t* order) {
  // Per lane the weights above zero, then those below.
  std::vector<std::uint8_t> sums(static_cast<std::size_t>(count * bytes)), largest(static_cast<std::size_t>(count));
  for (std::int64_t group = 0; group < count; ++group, groups += stride) {
    std::uint8_t* of_group = sums.data() + group * bytes;
    for (int lane = 0; lane < bytes; lane += 2) {
      const int one = groups[lane], other = groups[lane + 1];
      const int above = std::max(one, 0) + std::max(other, 0), below = std::min(one, 0) + std::min(other, 0);
      of_group[lane] = static_cast<std::uint8_t>(above);
      of_group[lane + 1] = static_cast<std::uint8_t>(std::min(-below, most_of_pair));
    }
    largest[group] = *std::max_element(of_group, of_group + bytes);
  }
  const auto fit = [&](std::uint16_t a, std::uint16_t b) {
    bool fits = true;
    for (int i = 0; i < bytes; ++i) fits &= sums[a * bytes + i] + sums[b * bytes + i] <= most_of_pair;
    return fits;
  };
  std::vector<std::uint16_t> left(static_cast<std::size_t>(count));
  std::iota(left.begin(), left.end(), std::uint16_t{0});
  std::stable_sort(left.begin(), left.end(), [&](std::uint16_t a, std::uint16_t b) { return largest[a] < largest[b]; });
  std::uint16_t *next = order, *last = order + count;
  while (!left.empty()) {
    const std::uint16_t large = left.back();
    left.pop_back();
    // The largest goes with the smallest that fits.
    const auto end = left.begin() + std::min<std::ptrdiff_t>(partners_tried, left.end() - left.begin());
    const auto partner = std::find_if(left.begin(), end, [&](std::uint16_t small) { return fit(large, small); });
    if (partner == end) {
      *--last = large;
    } else {
      *next++ = large;
      *next++ = *partner;
      left.erase(partner);
    }
  }
  return next - order;
}

}  // namespace nmt_prune
