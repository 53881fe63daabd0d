#include "kernels/roof_probe.h"

#include "kernels/isa_roof_probe.h"

namespace nibble {

namespace {

constexpr RoofProbe kProbes[] = {
    {Isa::amx, "TDPBSSD", avx512::probe_read, amx::probe_multiply, amx::kProductsPerRound,
     avx512::probe_multiply_float, avx512::kFloatProductsPerRound},
    {Isa::avx512_vnni, "VPDPBUSD zmm", avx512::probe_read, vnni::probe_multiply, vnni::kProductsPerRound,
     avx512::probe_multiply_float, avx512::kFloatProductsPerRound},
    {Isa::avx512, "VPMADDUBSW zmm", avx512::probe_read, avx512::probe_multiply, avx512::kProductsPerRound,
     avx512::probe_multiply_float, avx512::kFloatProductsPerRound},
    {Isa::avx_vnni, "VPDPBUSD ymm", avx2::probe_read, avx_vnni::probe_multiply, avx_vnni::kProductsPerRound,
     avx2::probe_multiply_float, avx2::kFloatProductsPerRound},
    {Isa::avx2, "VPMADDUBSW ymm", avx2::probe_read, avx2::probe_multiply, avx2::kProductsPerRound,
     avx2::probe_multiply_float, avx2::kFloatProductsPerRound},
    {Isa::scalar, "PMADDWD", ref::probe_read, ref::probe_multiply, ref::kProductsPerRound,
     ref::probe_multiply_float, ref::kFloatProductsPerRound},
};

}  // namespace

const RoofProbe& roof_probe(Isa isa) {
  for (const RoofProbe& probe : kProbes) {
    if (probe.isa <= isa && cpu_supports(probe.isa)) return probe;
  }
  return kProbes[std::size(kProbes) - 1];
}

}  // namespace nibble
