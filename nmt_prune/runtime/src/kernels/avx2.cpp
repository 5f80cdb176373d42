#define NMT_PRUNE_KERNELS avx2
#include "all.h"
