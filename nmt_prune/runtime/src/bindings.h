// What the parts of the Python module share.
#pragma once
#include <nanobind/nanobind.h>

namespace nmt_prune {

void bind_matrices(nanobind::module_& module);
void bind_model(nanobind::module_& module);

}  // namespace nmt_prune
