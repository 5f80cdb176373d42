#define NMT_PRUNE_KERNELS dotprod
#include "all.h"
