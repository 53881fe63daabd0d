#include "kernels/isa_kernels.h"

#include "kernels/avx512/vectors.h"

#include "kernels/simd/float_kernel.h"
#include "kernels/simd/formats.h"

namespace nibble::NIBBLE_AVX512 {

template <FloatFormat F>
void float_matmul(const MatmulArgs& args) {
  simd::FloatMatmul<Avx512Vectors, simd::PackedFloatPanel<Avx512Vectors, F>>::run(args);
}

#define NIBBLE_INSTANTIATE(format) template void float_matmul<format>(const MatmulArgs&);
NIBBLE_FLOAT_FORMATS(NIBBLE_INSTANTIATE)

}  // namespace nibble::NIBBLE_AVX512
