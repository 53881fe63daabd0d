#include "kernels/simd/quantized_attention.h"
#include "kernels/avx2/attention_vectors.h"
#include "kernels/quantized_attention_tables.h"

namespace nibble::avx2 {

const QuantizedAttentionOps quantized_attention = simd::kQuantizedAttention<AttentionVectors256<Avx2Vectors>>;

}  // namespace nibble::avx2
