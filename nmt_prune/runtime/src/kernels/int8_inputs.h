// Tokens are rounded to int8, in the order in which products read them.
#pragma once
#include "bytes.h"

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {
namespace {

// Tokens are taken in tiles of the same number, but for the last.
std::int64_t int8_tile(std::int64_t tokens, std::int64_t most) {
  const std::int64_t passes = (tokens + most - 1) / most;
  return passes ? (tokens + passes - 1) / passes : 1;
}

// So many, known when this is compiled, that the compiler makes vectors of them and nothing for the rest.
constexpr std::int64_t quantized_at_once = 64;

void quantize(const float* input, std::int64_t tokens, std::int64_t columns, std::int64_t columns4, std::int64_t most,
              void* quantized, float* scales) {
  const std::int64_t full = int8_tile(tokens, most);
  for (std::int64_t t = 0; t < tokens; ++t, input += columns) {
    const std::int64_t in_tile = t % full, first = t - in_tile, tile = tokens - first < full ? tokens - first : full;
    Quantized* to = static_cast<Quantized*>(quantized) + first * columns4 * 4 + in_tile * 4;
    const float largest = largest_magnitude(input, columns);
    const float inverse = largest > 0.0f ? largest_input / largest : 0.0f;
    scales[t] = largest / largest_input;
    for (std::int64_t column = 0; column < columns; column += quantized_at_once) {
      Quantized some[quantized_at_once + 3];
      const std::int64_t left = columns - column;
      if (left >= quantized_at_once) {
        quantize_some(input + column, quantized_at_once, inverse, input_offset, some);
      } else {
        quantize_some(input + column, left, inverse, input_offset, some);
        for (std::int64_t i = left; i < left + 3; ++i) some[i] = input_offset;
      }
      for (std::int64_t i = 0; i < quantized_at_once && i < left; i += 4, to += tile * 4) put_four(some + i, to);
    }
  }
}

}  // namespace
}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
