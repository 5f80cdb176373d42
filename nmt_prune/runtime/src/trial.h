// Whether products are what they should be on this machine, before they are used.
#pragma once
#include "kernels.h"

namespace nmt_prune {

// Multiplies a batch by dense int8 weights: false unless the candidate finds what the proven kernels find, to the bit,
// and in less time.
bool is_worth_it(const Kernels& candidate, const Kernels& proven);

}  // namespace nmt_prune
