#include "kernels/isa_kernels.h"

#include "kernels/avx512/vectors.h"

#include "kernels/simd/formats.h"
#include "kernels/simd/integer_kernel.h"

/// Integer formats of super-blocks.
namespace nibble::NIBBLE_AVX512 {

template <PackedFormat F>
void integer_matmul(const MatmulArgs& args) {
  simd::IntegerMatmul<Avx512Vectors, F>::run(args);
}

#define NIBBLE_INSTANTIATE(format) template void integer_matmul<format>(const MatmulArgs&);
NIBBLE_SUPER_BLOCK_FORMATS(NIBBLE_INSTANTIATE)

}  // namespace nibble::NIBBLE_AVX512
