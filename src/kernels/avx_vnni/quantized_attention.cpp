#include "kernels/simd/quantized_attention.h"
#include "kernels/avx2/attention_vectors.h"
#include "kernels/avx_vnni/vectors.h"
#include "kernels/quantized_attention_tables.h"

NIBBLE_DECLARE_QUANTIZED_ATTENTION(NIBBLE_AVX_VNNI)

namespace nibble {

namespace {

struct Vectors : AttentionVectors256<AvxVnniVectors> {
  static constexpr int kKeyBias = 128;
  static NIBBLE_INLINE Int dot_small(Int sum, Int a, Int b) { return dot(sum, a, b); }
  static NIBBLE_INLINE Int dot_signed(Int sum, Int key, Int query) { return dot(sum, key, query); }
};

}  // namespace

namespace NIBBLE_AVX_VNNI {
const QuantizedAttentionOps quantized_attention = simd::kQuantizedAttention<Vectors>;
}

}  // namespace nibble
