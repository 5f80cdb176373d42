// The loops over weights, per instruction set.
#pragma once
#include <cstdint>
#include <vector>

#include "layouts.h"
#include "vector_kernels.h"

namespace nmt_prune {

// Dense int8 weights times tokens that Kernels::quantize has rounded.
struct DenseInt8 {
  // Tokens that the product of so many likes in a tile, at most.
  std::int64_t (*most)(std::int64_t tokens);
  void (*multiply)(const DenseInt8Layout& weights, const void* quantized, const float* scales, std::int64_t tokens,
                   const float* bias, bool relu, float* output);
};

struct Kernels {
  const char* name;

  // Tokens that one pass over sparse weights serves when so many are left.
  int (*sparse_tile)(std::int64_t tokens);
  // (tokens x columns), `stride` floats apart -> (columns x tile); missing tokens are the last one again.
  void (*transpose)(const float* input, std::int64_t tokens, std::int64_t columns, std::int64_t stride, int tile,
                    float* transposed);
  // One window of rows times one tile: sums (window_rows x tile), overwritten.
  void (*sparse_window)(const SparseLayout& weights, std::int64_t window, const float* transposed, int tile,
                        float* sums);
  // Sums to output[t][row], with scale, bias and ReLU.
  void (*finish_window)(const float* sums, int tile, std::int64_t tokens, std::int64_t count, const float* scales,
                        const float* bias, bool relu, float* output, std::int64_t stride);

  // Up to how many tokens sparse int8 weights are best laid out for lookups: where that is none these are correct, and
  // slow.
  std::int64_t lookup_tokens;
  // Symmetric int8 per token plus 128 (64 with AVX2 and no instruction for dot products of bytes), filled up
  // to the stride.
  void (*quantize_for_lookups)(const float* input, std::int64_t tokens, std::int64_t columns, std::int64_t stride,
                               std::uint8_t* bytes, float* scales);
  void (*sparse_lookups)(const LookupLayout& weights, const std::uint8_t* bytes, const float* scales,
                         std::int64_t tokens, const float* bias, bool relu, float* output);

  void (*dense)(const DenseLayout& weights, const float* input, std::int64_t tokens, const float* bias, bool relu,
                float* output);

  // Symmetric int8 per token, as the instructions like it (in bytes or 16-bit words, plus 128 or 64 or nothing): input =
  // scale * quantized, |quantized| <= 127 (64 with AVX2 and no instruction for dot products of bytes), padded with zeros
  // to columns4 * 4, in tiles of so many tokens at most: (columns4, tokens of the tile, 4) each.
  void (*quantize)(const float* input, std::int64_t tokens, std::int64_t columns, std::int64_t columns4,
                   std::int64_t most, void* quantized, float* scales);
  bool adds_pairs;  // of such groups of int8 weights as pairs.h finds
  DenseInt8 dense_int8;
  std::int64_t blocks_most;  // how many tokens of a tile blocks like
  void (*blocks)(const BlockLayout& weights, const void* quantized, const float* scales, std::int64_t tokens,
                 const float* bias, bool relu, float* output);

  VectorKernels vectors;
};

// Those that this CPU and its operating system run, the best first, the portable ones last.
const std::vector<const Kernels*>& available_kernels();
// In use: the best, unless use_kernels said otherwise.
const Kernels& kernels();
// False where there are none of this name.
bool use_kernels(const char* name);

}  // namespace nmt_prune
