#include "kernels/simd/quantized_attention.h"
#include "kernels/avx512/attention_vectors.h"
#include "kernels/quantized_attention_tables.h"
#include "kernels/vnni/vectors.h"

NIBBLE_DECLARE_QUANTIZED_ATTENTION(NIBBLE_VNNI)

namespace nibble::NIBBLE_VNNI {

const QuantizedAttentionOps quantized_attention = simd::kQuantizedAttention<AttentionVectors512<VnniVectors>>;

}  // namespace nibble::NIBBLE_VNNI
