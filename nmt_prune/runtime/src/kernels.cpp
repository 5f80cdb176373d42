#include "kernels.h"

#include <atomic>
#include <cstring>
#ifdef NMT_PRUNE_X86
#include <cpuid.h>
#endif
#ifdef NMT_PRUNE_AMX
#include <sys/syscall.h>
#include <unistd.h>

#include "trial.h"
#endif
#if defined(NMT_PRUNE_ARM) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace nmt_prune {

namespace portable { extern const Kernels kernels; }
#ifdef NMT_PRUNE_X86
namespace avx2 { extern const Kernels kernels; }
#ifdef NMT_PRUNE_AVXVNNI
namespace avxvnni { extern const Kernels kernels; }
#endif
namespace avx512 { extern const Kernels kernels; }
namespace avx512vnni { extern const Kernels kernels; }
namespace avx512vbmi { extern const Kernels kernels; }
#ifdef NMT_PRUNE_AMX
namespace amx { extern const DenseInt8 dense_int8_kernels; }
#endif
#endif
#ifdef NMT_PRUNE_ARM
namespace dotprod { extern const Kernels kernels; }
#endif

namespace {

#ifdef NMT_PRUNE_AVXVNNI
// Compilers learnt this name late.
bool has_avxvnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & (1u << 4));
}
#endif

#ifdef NMT_PRUNE_AMX
// Of Linux: a process has to ask for the registers.
bool has_amx() {
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  constexpr unsigned tiles_of_bytes = 1u << 24 | 1u << 25;     // AMX-TILE, AMX-INT8
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx & tiles_of_bytes) == tiles_of_bytes &&
         syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

// All but dense products are those of vectors.
const Kernels& with_tiles() {
  static const Kernels kernels = [] {
    Kernels changed = avx512vbmi::kernels;
    changed.name = "amx";
    changed.dense_int8 = amx::dense_int8_kernels;
    return changed;
  }();
  return kernels;
}
#endif

#ifdef NMT_PRUNE_ARM
bool has_dotprod() {
#if defined(__linux__)
  return getauxval(AT_HWCAP) & (1ul << 20);  // asimddp
#elif defined(__APPLE__)
  return true;
#else
  return false;
#endif
}
#endif

std::vector<const Kernels*> detect() {
  std::vector<const Kernels*> found;
#ifdef NMT_PRUNE_X86
  // These ask the operating system too whether it saves the registers.
  __builtin_cpu_init();
  const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  const bool has_vnni = has_avx512 && __builtin_cpu_supports("avx512vnni");
  const bool has_vbmi = has_vnni && __builtin_cpu_supports("avx512vbmi");
#ifdef NMT_PRUNE_AMX
  if (has_vbmi && has_amx() && is_worth_it(with_tiles(), avx512vbmi::kernels)) found.push_back(&with_tiles());
#endif
  if (has_vbmi) found.push_back(&avx512vbmi::kernels);
  if (has_vnni) found.push_back(&avx512vnni::kernels);
  if (has_avx512) found.push_back(&avx512::kernels);
#ifdef NMT_PRUNE_AVXVNNI
  if (has_avx2 && has_avxvnni()) found.push_back(&avxvnni::kernels);
#endif
  if (has_avx2) found.push_back(&avx2::kernels);
#endif
#ifdef NMT_PRUNE_ARM
  if (has_dotprod()) found.push_back(&dotprod::kernels);
#endif
  found.push_back(&portable::kernels);
  return found;
}

std::atomic<const Kernels*>& in_use() {
  static std::atomic<const Kernels*> kernels{available_kernels().front()};
  return kernels;
}

}  // namespace

const std::vector<const Kernels*>& available_kernels() {
  static const std::vector<const Kernels*> found = detect();
  return found;
}

const Kernels& kernels() { return *in_use().load(std::memory_order_relaxed); }

bool use_kernels(const char* name) {
  for (const Kernels* candidate : available_kernels()) {
    if (std::strcmp(candidate->name, name) == 0) {
      in_use().store(candidate, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

}  // namespace nmt_prune
