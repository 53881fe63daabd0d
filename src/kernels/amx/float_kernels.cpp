#include "kernels/amx/float_kernel.h"

#include "kernels/isa_kernels.h"

namespace nibble::NIBBLE_AMX {

template <FloatFormat F>
void float_matmul(const MatmulArgs& args) {
  static_assert(F == FloatFormat::bf16);
  Bfloat16Matmul::run(args);
}

template void float_matmul<FloatFormat::bf16>(const MatmulArgs&);

}  // namespace nibble::NIBBLE_AMX
