#include "kernels/simd/quantized_attention.h"
#include "kernels/avx512/attention_vectors.h"
#include "kernels/quantized_attention_tables.h"
#include "kernels/vnni/vectors.h"

NIBBLE_DECLARE_QUANTIZED_ATTENTION(NIBBLE_VNNI)

namespace nibble {

namespace {

struct Vectors : AttentionVectors512<VnniVectors> {
  static constexpr int kKeyBias = 128;
  static NIBBLE_INLINE Int dot_small(Int sum, Int a, Int b) { return dot(sum, a, b); }
  static NIBBLE_INLINE Int dot_signed(Int sum, Int key, Int query) { return dot(sum, key, query); }
};

}  // namespace

namespace NIBBLE_VNNI {
const QuantizedAttentionOps quantized_attention = simd::kQuantizedAttention<Vectors>;
}

}  // namespace nibble
