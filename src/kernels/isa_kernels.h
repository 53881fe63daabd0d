#pragma once

#include "kernels/matmul_args.h"
#include "kernels/packed_format.h"

/// The kernels of each instruction set, defined in its folder.
namespace nibble {

namespace avx2 {
template <PackedFormat F>
void integer_matmul(const MatmulArgs& args);
template <FloatFormat F>
void float_matmul(const MatmulArgs& args);
void quantize_activations(const float* x, size_t cols, const QuantizedToken& out);
}  // namespace avx2

namespace avx512 {
template <PackedFormat F>
void integer_matmul(const MatmulArgs& args);
template <FloatFormat F>
void float_matmul(const MatmulArgs& args);
void quantize_activations(const float* x, size_t cols, const QuantizedToken& out);
}  // namespace avx512

}  // namespace nibble
