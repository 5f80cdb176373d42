#include "trial.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "aligned.h"

namespace nmt_prune {
namespace {

// Weights and inputs of no pattern, of the whole range, and of sides that fill no tile.
class TrialProduct {
 public:
  TrialProduct() : input_(tokens * columns) {
    std::uint32_t state = 1;
    const auto next = [&state] {
      state = state * 1664525u + 1013904223u;
      return static_cast<std::int32_t>(state >> 24) - 128;
    };
    std::fill_n(scales_.data(), scales_.size(), 0.01f);
    std::memset(totals_.data(), 0, totals_.bytes());
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const std::size_t panel = i / (columns4 * panel_rows * 4), row = panel * panel_rows + i / 4 % panel_rows;
      values_[i] = static_cast<std::int8_t>(std::max(next(), -127));
      totals_[row] += values_[i];
    }
    for (float& value : input_) value = static_cast<float>(next());
  }

  // What it is, and the least seconds of some rounds.
  std::pair<std::vector<float>, double> by(const Kernels& kernels) const {
    using Clock = std::chrono::steady_clock;
    Aligned<std::int16_t> quantized(tokens * columns4 * 4);
    std::vector<float> scales(tokens), output(tokens * rows);
    double least = std::numeric_limits<double>::infinity();
    for (int round = 0; round < rounds; ++round) {
      const Clock::time_point start = Clock::now();
      kernels.quantize(input_.data(), tokens, columns, columns4, kernels.dense_int8.most(tokens), quantized.data(),
                       scales.data());
      kernels.dense_int8.multiply({rows, columns, columns4, panels, values_.data(), scales_.data(), totals_.data(),
                                   nullptr, nullptr},
                                  quantized.data(), scales.data(), tokens, nullptr, false, output.data());
      least = std::min(least, std::chrono::duration<double>(Clock::now() - start).count());
    }
    return {output, least};
  }

 private:
  static constexpr std::int64_t rows = 500, columns = 524, columns4 = columns / 4, tokens = 40;
  static constexpr std::int64_t panels = (rows + panel_rows - 1) / panel_rows;
  static constexpr int rounds = 5;

  Aligned<std::int8_t> values_{panels * columns4 * panel_rows * 4};
  Aligned<float> scales_{panels * panel_rows};
  Aligned<std::int32_t> totals_{panels * panel_rows};
  std::vector<float> input_;
};

}  // namespace

bool is_worth_it(const Kernels& candidate, const Kernels& proven) {
  const TrialProduct product;
  const auto [found, seconds] = product.by(candidate);
  const auto [expected, most] = product.by(proven);
  return found == expected && seconds < most;
}

}  // namespace nmt_prune
