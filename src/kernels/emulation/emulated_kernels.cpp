#include "kernels/emulation/emulated_kernels.h"

#include "kernels/isa_kernels.h"
#include "kernels/simd/formats.h"

NIBBLE_DECLARE_KERNELS(emulated_avx512)
NIBBLE_DECLARE_KERNELS(emulated_vnni)
NIBBLE_DECLARE_KERNELS(emulated_avx_vnni)
NIBBLE_DECLARE_KERNELS(emulated_amx)

namespace nibble {

namespace {

struct Pair {
  MatmulFunction native, emulated;
};

#define NIBBLE_INTEGER_PAIRS(format)                                         \
  {avx512::integer_matmul<format>, emulated_avx512::integer_matmul<format>}, \
      {vnni::integer_matmul<format>, emulated_vnni::integer_matmul<format>}, \
      {avx_vnni::integer_matmul<format>, emulated_avx_vnni::integer_matmul<format>},
#define NIBBLE_TILE_PAIR(format) {amx::integer_matmul<format>, emulated_amx::integer_matmul<format>},
#define NIBBLE_DEQUANTIZED_PAIR(format) \
  {avx512::dequantized_matmul<format>, emulated_avx512::dequantized_matmul<format>},
#define NIBBLE_FLOAT_PAIR(format) {avx512::float_matmul<format>, emulated_avx512::float_matmul<format>},

constexpr Pair kPairs[] = {
    NIBBLE_BLOCK_FORMATS(NIBBLE_INTEGER_PAIRS) NIBBLE_SUPER_BLOCK_FORMATS(NIBBLE_INTEGER_PAIRS)
        NIBBLE_TILE_FORMATS(NIBBLE_TILE_PAIR) NIBBLE_FLOAT_FORMATS(NIBBLE_FLOAT_PAIR)
            NIBBLE_EXACT_INTEGER_FORMATS(NIBBLE_DEQUANTIZED_PAIR){
                amx::float_matmul<FloatFormat::bf16>, emulated_amx::float_matmul<FloatFormat::bf16>}};

}  // namespace

std::optional<KernelEntry> emulated_kernel(const KernelEntry& entry) {
  for (const Pair& pair : kPairs) {
    if (pair.native != entry.run) continue;
    KernelEntry emulated = entry;
    emulated.run = pair.emulated;
    return emulated;
  }
  return std::nullopt;
}

}  // namespace nibble
