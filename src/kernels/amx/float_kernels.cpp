#include "kernels/amx/float_kernel.h"

#include "kernels/isa_kernels.h"

namespace nibble::NIBBLE_AMX {

template <FloatFormat F>
void float_matmul(const MatmulArgs& args) {
  FloatMatmul<F>::run(args);
}

template void float_matmul<FloatFormat::bf16>(const MatmulArgs&);
template void float_matmul<FloatFormat::f16>(const MatmulArgs&);

}  // namespace nibble::NIBBLE_AMX
