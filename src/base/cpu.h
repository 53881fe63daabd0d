#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// Instruction sets that kernels are written for, the better the later.
enum class Isa {
  scalar,       ///< any x86-64
  avx2,         ///< AVX2, FMA, F16C
  avx_vnni,     ///< avx2 with AVX-VNNI (256-bit VPDPBUSD)
  avx512,       ///< AVX-512 F, BW, VL, DQ, CD
  avx512_vnni,  ///< avx512 with AVX512-VNNI
  amx,          ///< avx512_vnni with AMX-TILE, AMX-INT8 and AMX-BF16
};

inline constexpr size_t kIsaCount = size_t(Isa::amx) + 1;

std::string_view isa_name(Isa isa);

struct CpuInfo {
  std::string model;      ///< as the processor names itself
  int logical_cores;      ///< this process may run on
  int physical_cores;     ///< of those, distinct cores
  double quota;           ///< cores' worth of time that control groups grant; 0: no limit
  size_t l1d_bytes;       ///< of one core; 0 when unknown
  size_t l2_bytes;        ///< of one core; 0 when unknown
  size_t l3_bytes;        ///< shared; 0 when unknown
  std::vector<Isa> isas;  ///< what it can run, in the order of Isa
};

/// What this machine is. Read once; asks the operating system for the tile registers where there is AMX.
const CpuInfo& cpu_info();

/// Threads to use when nobody asked for a number: one per physical core, two on a core having one set of
/// multipliers between them, and no more than the quota keeps busy.
int default_threads();

/// Threads that can make progress at the same time.
int concurrent_threads();

/// True when this machine runs kernels of that instruction set, and the operating system lets it.
bool cpu_supports(Isa isa);

/// The widest instruction set kernels may use: the machine's best, or what NIBBLE_ISA names.
/// Throws Error when NIBBLE_ISA is unknown or the machine can't run it.
Isa selected_isa();

/// NIBBLE_ISA names one.
bool isa_is_forced();

}  // namespace nibble
