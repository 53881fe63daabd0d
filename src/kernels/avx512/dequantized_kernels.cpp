#include "kernels/isa_kernels.h"

#include "kernels/avx512/vectors.h"

#include "kernels/simd/float_kernel.h"
#include "kernels/simd/formats.h"

/// Integer weights with float32 activations.
namespace nibble::NIBBLE_AVX512 {

template <PackedFormat F>
void dequantized_matmul(const MatmulArgs& args) {
  simd::FloatMatmul<Avx512Vectors, simd::DequantizedPanel<Avx512Vectors, F>>::run(args);
}

#define NIBBLE_INSTANTIATE(format) template void dequantized_matmul<format>(const MatmulArgs&);
NIBBLE_EXACT_INTEGER_FORMATS(NIBBLE_INSTANTIATE)

}  // namespace nibble::NIBBLE_AVX512
