#include "kernels/avx2/vectors.h"
#include "kernels/isa_kernels.h"
#include "kernels/simd/float_kernel.h"

namespace nibble::avx2 {

template <FloatFormat F>
void float_matmul(const MatmulArgs& args) {
  simd::FloatMatmul<Avx2Vectors, F>::run(args);
}

template void float_matmul<FloatFormat::f32>(const MatmulArgs&);
template void float_matmul<FloatFormat::f16>(const MatmulArgs&);
template void float_matmul<FloatFormat::bf16>(const MatmulArgs&);
template void float_matmul<FloatFormat::nf4>(const MatmulArgs&);
template void float_matmul<FloatFormat::fp4>(const MatmulArgs&);

}  // namespace nibble::avx2
