#include "kernels/isa_kernels.h"

#include "kernels/avx2/vectors.h"

#include "kernels/simd/formats.h"
#include "kernels/simd/integer_kernel.h"

/// Integer formats of super-blocks.
namespace nibble::avx2 {

template <PackedFormat F>
void integer_matmul(const MatmulArgs& args) {
  simd::IntegerMatmul<Avx2Vectors, F>::run(args);
}

#define NIBBLE_INSTANTIATE(format) template void integer_matmul<format>(const MatmulArgs&);
NIBBLE_SUPER_BLOCK_FORMATS(NIBBLE_INSTANTIATE)

}  // namespace nibble::avx2
