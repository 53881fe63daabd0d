#include "kernels/amx/integer_kernel.h"

#include "kernels/simd/formats.h"

/// Formats whose groups fill a row of a tile.
namespace nibble::NIBBLE_AMX {

template <PackedFormat F>
void integer_matmul(const MatmulArgs& args) {
  IntegerMatmul<F>::run(args);
}

#define NIBBLE_INSTANTIATE(format) template void integer_matmul<format>(const MatmulArgs&);
NIBBLE_TILE_FORMATS(NIBBLE_INSTANTIATE)

}  // namespace nibble::NIBBLE_AMX
