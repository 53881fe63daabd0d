#include "kernels/simd/quantized_attention.h"
#include "kernels/avx2/attention_vectors.h"
#include "kernels/avx_vnni/vectors.h"
#include "kernels/quantized_attention_tables.h"

NIBBLE_DECLARE_QUANTIZED_ATTENTION(NIBBLE_AVX_VNNI)

namespace nibble::NIBBLE_AVX_VNNI {

const QuantizedAttentionOps quantized_attention =
    simd::kQuantizedAttention<AttentionVectors256<AvxVnniVectors>>;

}  // namespace nibble::NIBBLE_AVX_VNNI
