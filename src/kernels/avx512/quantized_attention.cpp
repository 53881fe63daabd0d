#include "kernels/simd/quantized_attention.h"
#include "kernels/avx512/attention_vectors.h"
#include "kernels/quantized_attention_tables.h"

NIBBLE_DECLARE_QUANTIZED_ATTENTION(NIBBLE_AVX512)

namespace nibble {

namespace {

struct Vectors : AttentionVectors512<Avx512Vectors> {
  static constexpr int kKeyBias = 0;
  static NIBBLE_INLINE Int dot_small(Int sum, Int a, Int b) {
    return add32(sum, madd(maddubs(a, b), set16(1)));
  }
  /// VPMADDUBSW wants one unsigned operand: the key's sign goes to the query.
  static NIBBLE_INLINE Int dot_signed(Int sum, Int key, Int query) {
    const Int code = bit_xor(key, set8(-128));
    const Int sign = _mm512_mask_sub_epi8(query, _mm512_movepi8_mask(code), _mm512_setzero_si512(), query);
    return dot_small(sum, _mm512_abs_epi8(code), sign);
  }
};

}  // namespace

namespace NIBBLE_AVX512 {
const QuantizedAttentionOps quantized_attention = simd::kQuantizedAttention<Vectors>;
}

}  // namespace nibble
