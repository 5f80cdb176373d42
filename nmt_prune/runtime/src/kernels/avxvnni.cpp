#define NMT_PRUNE_KERNELS avxvnni
#include "all.h"
