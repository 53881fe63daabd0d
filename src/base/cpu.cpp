#include "base/cpu.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/cpu_quota.h"
#include "base/error.h"
#include "base/topology.h"

namespace nibble {

namespace {

constexpr std::array<std::string_view, 6> kIsaNames = {"scalar", "avx2",        "avx_vnni",
                                                       "avx512", "avx512_vnni", "amx"};

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
  if (!__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx)) return {};
  return r;
}

bool bit(uint32_t word, int index) {
  return (word >> index) & 1u;
}

/// Which register files the operating system saves (XCR0).
uint64_t enabled_state() {
  if (!bit(cpuid(1, 0).ecx, 27)) return 0;
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t(high) << 32) | low;
}

/// Asks the kernel for AMX's tile registers, for all threads of the process: without, the first use of a
/// tile is a fault. Linux 5.16 and newer; refused where an alternate signal stack is too small for them.
bool permit_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

std::vector<Isa> detect_isas() {
  const Registers one = cpuid(1, 0), seven = cpuid(7, 0), seven_one = cpuid(7, 1);
  const uint64_t state = enabled_state();
  const bool ymm = (state & 0x6) == 0x6, zmm = (state & 0xe6) == 0xe6;
  const bool tiles = (state & 0x60000) == 0x60000;
  std::vector<Isa> isas = {Isa::scalar};
  const bool avx2 = ymm && bit(one.ecx, 28) && bit(one.ecx, 12) && bit(one.ecx, 29) && bit(seven.ebx, 5);
  if (!avx2) return isas;
  isas.push_back(Isa::avx2);
  if (bit(seven_one.eax, 4)) isas.push_back(Isa::avx_vnni);
  const bool avx512 = zmm && bit(seven.ebx, 16) && bit(seven.ebx, 17) && bit(seven.ebx, 28) &&
                      bit(seven.ebx, 30) && bit(seven.ebx, 31);
  if (!avx512) return isas;
  isas.push_back(Isa::avx512);
  if (!bit(seven.ecx, 11)) return isas;
  isas.push_back(Isa::avx512_vnni);
  const bool amx = tiles && bit(seven.edx, 24) && bit(seven.edx, 25) && bit(seven.edx, 22);
  if (amx && permit_tiles()) isas.push_back(Isa::amx);
  return isas;
}

std::string detect_model() {
  std::array<uint32_t, 12> words{};
  if (cpuid(0x80000000u, 0).eax < 0x80000004u) return "unknown processor";
  for (uint32_t i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002u + i, 0);
    words[4 * i] = r.eax;
    words[4 * i + 1] = r.ebx;
    words[4 * i + 2] = r.ecx;
    words[4 * i + 3] = r.edx;
  }
  std::string name(reinterpret_cast<const char*>(words.data()), sizeof(words));
  name.resize(std::strlen(name.c_str()));
  const auto first = name.find_first_not_of(' ');
  return first == std::string::npos ? "unknown processor"
                                    : name.substr(first, name.find_last_not_of(' ') + 1 - first);
}

size_t cache_bytes(hwloc_topology_t topology, hwloc_obj_type_t type) {
  const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);
  return cache ? cache->attr->cache.size : 0;
}

CpuInfo detect() {
  CpuInfo info{detect_model(), 1, 1, cpu_quota(), 0, 0, 0, detect_isas()};
  const hwloc_topology_t topology = machine_topology();
  if (topology == nullptr) return info;
  info.logical_cores = std::max(1, hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU));
  info.physical_cores = std::max(1, int(machine_cores().cores.size()));
  info.l1d_bytes = cache_bytes(topology, HWLOC_OBJ_L1CACHE);
  info.l2_bytes = cache_bytes(topology, HWLOC_OBJ_L2CACHE);
  info.l3_bytes = cache_bytes(topology, HWLOC_OBJ_L3CACHE);
  return info;
}

/// Rounded up, as Go and Java do: with a quota of 1.5, two threads that pause a quarter of the time do more
/// than one.
int within_quota(int cores) {
  const double quota = cpu_info().quota;
  return quota > 0 && quota < cores ? int(std::ceil(quota)) : cores;
}

}  // namespace

std::string_view isa_name(Isa isa) {
  return kIsaNames[size_t(isa)];
}

const CpuInfo& cpu_info() {
  static const CpuInfo info = detect();
  return info;
}

int default_threads() {
  return within_quota(cpu_info().physical_cores);
}

int concurrent_threads() {
  return within_quota(cpu_info().logical_cores);
}

bool cpu_supports(Isa isa) {
  const auto& isas = cpu_info().isas;
  return std::find(isas.begin(), isas.end(), isa) != isas.end();
}

bool isa_is_forced() {
  const char* wanted = std::getenv("NIBBLE_ISA");
  return wanted != nullptr && *wanted != '\0';
}

Isa selected_isa() {
  if (!isa_is_forced()) return cpu_info().isas.back();
  const char* wanted = std::getenv("NIBBLE_ISA");
  const auto it = std::find(kIsaNames.begin(), kIsaNames.end(), std::string_view(wanted));
  if (it == kIsaNames.end()) {
    fail("NIBBLE_ISA={} is not an instruction set; use scalar, avx2, avx_vnni, avx512, avx512_vnni or amx",
         wanted);
  }
  const Isa isa = Isa(it - kIsaNames.begin());
  if (!cpu_supports(isa)) {
    fail("NIBBLE_ISA={} cannot run on this processor ({}), whose best is {}", wanted, cpu_info().model,
         isa_name(cpu_info().isas.back()));
  }
  return isa;
}

}  // namespace nibble
