#include "pairs.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <vector>

namespace nmt_prune {
namespace {

constexpr int most_of_pair = 32767 / 128;  // magnitudes of four weights
constexpr int partners_tried = 32;

}  // namespace

std::int64_t pair_groups(const std::int8_t* groups, std::int64_t stride, int bytes, std::int64_t count,
                         std::uint16_t* order) {
  const int lanes = bytes / 2;
  std::vector<std::uint8_t> sums(static_cast<std::size_t>(count) * lanes);
  std::vector<std::uint8_t> largest(static_cast<std::size_t>(count));
  for (std::int64_t group = 0; group < count; ++group, groups += stride) {
    for (int lane = 0; lane < lanes; ++lane) {
      const int sum = std::abs(groups[2 * lane]) + std::abs(groups[2 * lane + 1]);
      sums[group * lanes + lane] = static_cast<std::uint8_t>(std::min(sum, most_of_pair));
    }
    largest[group] = *std::max_element(&sums[group * lanes], &sums[group * lanes] + lanes);
  }
  const auto fit = [&](std::uint16_t a, std::uint16_t b) {
    bool fits = true;
    for (int lane = 0; lane < lanes; ++lane) fits &= sums[a * lanes + lane] + sums[b * lanes + lane] <= most_of_pair;
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
