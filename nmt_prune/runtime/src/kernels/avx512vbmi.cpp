#define NMT_PRUNE_KERNELS avx512vbmi
#include "all.h"
