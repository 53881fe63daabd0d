#include "kernels/isa_kernels.h"

#include "kernels/avx2/vectors.h"

#include "kernels/simd/float_kernel.h"
#include "kernels/simd/formats.h"

namespace nibble::avx2 {

template <FloatFormat F>
void float_matmul(const MatmulArgs& args) {
  simd::FloatMatmul<Avx2Vectors, simd::PackedFloatPanel<Avx2Vectors, F>>::run(args);
}

#define NIBBLE_INSTANTIATE(format) template void float_matmul<format>(const MatmulArgs&);
NIBBLE_FLOAT_FORMATS(NIBBLE_INSTANTIATE)

}  // namespace nibble::avx2
