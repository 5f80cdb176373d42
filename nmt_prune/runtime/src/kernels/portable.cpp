#define NMT_PRUNE_KERNELS portable
#include "all.h"
