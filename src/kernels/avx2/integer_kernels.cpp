#include "kernels/avx2/vectors.h"
#include "kernels/isa_kernels.h"
#include "kernels/simd/integer_kernel.h"

/// Integer formats of blocks with one scale.
namespace nibble::avx2 {

template <PackedFormat F>
void integer_matmul(const MatmulArgs& args) {
  simd::IntegerMatmul<Avx2Vectors, F>::run(args);
}

template void integer_matmul<kPackedQ4_0>(const MatmulArgs&);
template void integer_matmul<kPackedQ4_1>(const MatmulArgs&);
template void integer_matmul<kPackedQ5_0>(const MatmulArgs&);
template void integer_matmul<kPackedQ5_1>(const MatmulArgs&);
template void integer_matmul<kPackedQ8_0>(const MatmulArgs&);
template void integer_matmul<kPackedIQ4_NL>(const MatmulArgs&);
template void integer_matmul<kPackedMXFP4>(const MatmulArgs&);
template void integer_matmul<kPackedInt8>(const MatmulArgs&);
template void integer_matmul<kPackedInt4G64>(const MatmulArgs&);
template void integer_matmul<kPackedInt4G128>(const MatmulArgs&);
template void integer_matmul<kPackedUint4G64>(const MatmulArgs&);
template void integer_matmul<kPackedUint4G128>(const MatmulArgs&);

}  // namespace nibble::avx2
