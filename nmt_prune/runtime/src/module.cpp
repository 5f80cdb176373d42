#include "bindings.h"

NB_MODULE(_engine, module) {
  module.doc() = "Kernels that skip what was pruned.";
  nmt_prune::bind_matrices(module);
  nmt_prune::bind_model(module);
}
