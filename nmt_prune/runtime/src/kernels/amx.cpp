#define NMT_PRUNE_KERNELS amx
#include "../kernels.h"
#include "amx.h"

namespace nmt_prune {
namespace amx {

extern const DenseInt8 dense_int8_kernels;
const DenseInt8 dense_int8_kernels = {most_by_tiles, dense_int8_by_tiles};

}  // namespace amx
}  // namespace nmt_prune
