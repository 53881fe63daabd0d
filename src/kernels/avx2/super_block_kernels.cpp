#include "kernels/avx2/vectors.h"
#include "kernels/isa_kernels.h"
#include "kernels/simd/integer_kernel.h"

/// Integer formats of super-blocks.
namespace nibble::avx2 {

template <PackedFormat F>
void integer_matmul(const MatmulArgs& args) {
  simd::IntegerMatmul<Avx2Vectors, F>::run(args);
}

template void integer_matmul<kPackedQ2_K>(const MatmulArgs&);
template void integer_matmul<kPackedQ3_K>(const MatmulArgs&);
template void integer_matmul<kPackedQ4_K>(const MatmulArgs&);
template void integer_matmul<kPackedQ5_K>(const MatmulArgs&);
template void integer_matmul<kPackedQ6_K>(const MatmulArgs&);
template void integer_matmul<kPackedIQ4_XS>(const MatmulArgs&);

}  // namespace nibble::avx2
