// The table of kernels of the instruction set that NMT_PRUNE_KERNELS names.
#pragma once
#include "../kernels.h"
#include "attention.h"
#include "blocks.h"
#include "dense.h"
#include "dense_int8.h"
#include "rows.h"
#include "sparse_lookups.h"
#include "sparse_products.h"
#include "top.h"

#define NMT_PRUNE_TEXT(name) #name
#define NMT_PRUNE_NAME(name) NMT_PRUNE_TEXT(name)

namespace nmt_prune {
namespace NMT_PRUNE_KERNELS {

extern const Kernels kernels;
const Kernels kernels = {NMT_PRUNE_NAME(NMT_PRUNE_KERNELS), sparse_tile, transpose, sparse_window, finish_window,
                         lookup_tokens, quantize_for_lookups, sparse_lookups, dense, quantize, adds_pairs,
                         {int8_most, dense_int8}, most_tokens_of_blocks, blocks,
                         {add, layer_norm, activate, {attend_scattered<float>, attend_together<float>},
                          {attend_scattered<Half>, attend_together<Half>}, to_half, top, highest}};

}  // namespace NMT_PRUNE_KERNELS
}  // namespace nmt_prune
