#define NMT_PRUNE_KERNELS avx512vnni
#include "all.h"
