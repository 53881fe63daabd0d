#include "kernels/isa_kernels.h"

#include "kernels/avx_vnni/vectors.h"

#include "kernels/simd/formats.h"
#include "kernels/simd/integer_kernel.h"

/// Integer formats of blocks with one scale.
namespace nibble::NIBBLE_AVX_VNNI {

template <PackedFormat F>
void integer_matmul(const MatmulArgs& args) {
  simd::IntegerMatmul<AvxVnniVectors, F>::run(args);
}

#define NIBBLE_INSTANTIATE(format) template void integer_matmul<format>(const MatmulArgs&);
NIBBLE_BLOCK_FORMATS(NIBBLE_INSTANTIATE)

}  // namespace nibble::NIBBLE_AVX_VNNI
