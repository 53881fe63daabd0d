#include "kernels/isa_kernels.h"

#include "kernels/avx2/vectors.h"

#include "kernels/simd/float_kernel.h"
#include "kernels/simd/formats.h"

/// Integer weights with float32 activations.
namespace nibble::avx2 {

template <PackedFormat F>
void dequantized_matmul(const MatmulArgs& args) {
  simd::FloatMatmul<Avx2Vectors, simd::DequantizedPanel<Avx2Vectors, F>>::run(args);
}

#define NIBBLE_INSTANTIATE(format) template void dequantized_matmul<format>(const MatmulArgs&);
NIBBLE_EXACT_INTEGER_FORMATS(NIBBLE_INSTANTIATE)

}  // namespace nibble::avx2
