#pragma once

#include "kernels/matmul_args.h"
#include "kernels/packed_format.h"

/// The kernels of each instruction set, defined in its folder.

#define NIBBLE_DECLARE_KERNELS(isa)                \
  namespace nibble::isa {                          \
  template <PackedFormat F>                        \
  void integer_matmul(const MatmulArgs& args);     \
  template <PackedFormat F>                        \
  void dequantized_matmul(const MatmulArgs& args); \
  template <FloatFormat F>                         \
  void float_matmul(const MatmulArgs& args);       \
  }  // namespace nibble::isa

NIBBLE_DECLARE_KERNELS(avx2)
NIBBLE_DECLARE_KERNELS(avx_vnni)
NIBBLE_DECLARE_KERNELS(avx512)
NIBBLE_DECLARE_KERNELS(vnni)
NIBBLE_DECLARE_KERNELS(amx)

namespace nibble::avx2 {
void quantize_activations(const float* x, size_t cols, ActivationGroups groups, const QuantizedToken& out);
}  // namespace nibble::avx2
