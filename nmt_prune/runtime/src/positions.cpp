#include "positions.h"

#include <algorithm>
#include <cmath>

namespace nmt_prune {
namespace {

// fairseq's: all sines, then all cosines; the first token is at place pad + 1. In float32, as there.
std::vector<float> sinusoids(std::int64_t places, std::int64_t dim, std::int32_t pad) {
  const std::int64_t half = dim / 2;
  const float exponent = static_cast<float>(-(std::log(10000.0) / static_cast<double>(half - 1)));
  std::vector<float> table(static_cast<std::size_t>(places * dim));
  for (std::int64_t place = 0; place < places; ++place)
    for (std::int64_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(place + pad + 1) * std::exp(static_cast<float>(i) * exponent);
      table[place * dim + i] = std::sin(angle);
      table[place * dim + half + i] = std::cos(angle);
    }
  return table;
}

}  // namespace

Positions::Positions(const Stack& stack, Parameters& parameters, const std::string& prefix, std::int32_t pad)
    : dim_(stack.dim), max_positions_(stack.max_positions), pad_(pad), sinusoidal_(stack.positions == "sinusoidal") {
  if (sinusoidal_ && dim_ < 4) throw InvalidInput(prefix + "dim is too small for sinusoidal positions");
  if (stack.positions == "learned")
    learned_ = parameters.vector(prefix + "embed_positions.weight", max_positions_ * dim_);
  else if (!sinusoidal_ && stack.positions != "none")
    throw InvalidInput(prefix + "positions is " + stack.positions + ", not sinusoidal, learned or none");
}

Positions::Table Positions::first(std::int64_t places) const {
  Table table;
  table.dim_ = dim_;
  table.values_ = learned_;
  if (sinusoidal_) {
    const std::lock_guard<std::mutex> lock(*computing_);
    const std::int64_t computed = static_cast<std::int64_t>(computed_->size()) / dim_;
    if (places > computed) {
      const std::int64_t wanted = std::min(std::max(places, 2 * computed), std::max(places, max_positions_));
      computed_ = std::make_shared<const std::vector<float>>(sinusoids(wanted, dim_, pad_));
    }
    table.owner_ = computed_;
    table.values_ = computed_->data();
  }
  return table;
}

}  // namespace nmt_prune
