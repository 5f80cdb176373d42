#define NMT_PRUNE_KERNELS avx512
#include "all.h"
