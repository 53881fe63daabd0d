#include "kernels/simd/quantized_attention.h"
#include "kernels/avx512/attention_vectors.h"
#include "kernels/quantized_attention_tables.h"

NIBBLE_DECLARE_QUANTIZED_ATTENTION(NIBBLE_AVX512)

namespace nibble::NIBBLE_AVX512 {

const QuantizedAttentionOps quantized_attention =
    simd::kQuantizedAttention<AttentionVectors512<Avx512Vectors>>;

}  // namespace nibble::NIBBLE_AVX512
