#include "kernels/simd/quantized_attention.h"
#include "kernels/avx2/attention_vectors.h"
#include "kernels/quantized_attention_tables.h"

namespace nibble {

namespace {

struct Vectors : AttentionVectors256<Avx2Vectors> {
  static constexpr int kKeyBias = 0;
  static NIBBLE_INLINE Int dot_small(Int sum, Int a, Int b) {
    return add32(sum, madd(maddubs(a, b), set16(1)));
  }
  /// VPMADDUBSW wants one unsigned operand: the key's sign goes to the query.
  static NIBBLE_INLINE Int dot_signed(Int sum, Int key, Int query) {
    const Int code = bit_xor(key, set8(-128));
    return dot_small(sum, _mm256_abs_epi8(code), _mm256_sign_epi8(query, code));
  }
};

}  // namespace

namespace avx2 {
const QuantizedAttentionOps quantized_attention = simd::kQuantizedAttention<Vectors>;
}

}  // namespace nibble
