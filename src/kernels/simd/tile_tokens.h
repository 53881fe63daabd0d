#pragma once

#include <string.h>

#include "kernels/matmul_args.h"
#include "kernels/packed_format.h"
#include "kernels/simd/packed_panel.h"

/// How a tile (IntegerTile) finds the activations of its tokens: of `chunk`, 32 columns of the first token,
/// the others each stride() further; of `step`, the tokens' scales, one after the other; of `group`, the
/// columns that share a sum, the tokens' sums. V, which is of one file, keeps them in that file.
namespace nibble::simd {

/// As they stand in ActivationArgs, from token `token` on.
template <class V>
class TokenRows {
 public:
  static constexpr bool kStarts = false;

  TokenRows(const ActivationArgs& x, size_t token) : x_(x), token_(token) {}

  NIBBLE_INLINE size_t stride() const { return x_.stride; }
  NIBBLE_INLINE const int8_t* q(size_t chunk) const { return x_.q + at(chunk); }
  NIBBLE_INLINE const uint8_t* moved(size_t chunk) const { return x_.moved + at(chunk); }
  NIBBLE_INLINE const int16_t* q16(size_t chunk) const { return x_.q16 + at(chunk); }
  NIBBLE_INLINE const float* scales(size_t step) const { return x_.scale + step * x_.tokens + token_; }
  NIBBLE_INLINE const int32_t* sums(size_t group) const { return x_.sums + group * x_.tokens + token_; }
  NIBBLE_INLINE const float* scaled_sums(size_t group) const {
    return x_.scaled_sums + group * x_.tokens + token_;
  }

 private:
  NIBBLE_INLINE size_t at(size_t chunk) const { return token_ * x_.stride + chunk * 32; }

  const ActivationArgs& x_;
  size_t token_;
};

/// Of T tokens and the columns of some steps, copied to scratch memory for many panels: the tokens' chunks
/// side by side, so that addresses are constants beside one pointer, and what the sums of codes that stand
/// kOffset above the weights start from, which takes kOffset times the sum of the activations off.
template <class V, PackedFormat F, int T>
class TokensTogether {
 public:
  static constexpr int kOffset = PackedPanel<V, F>::kOffset;
  static constexpr bool kStarts = kOffset != 0;
  static constexpr size_t kSumGroups = F.activation_groups().scale / F.activation_groups().sum;

  /// Of scratch memory for the columns of a packed block.
  static constexpr size_t kBlockBytes = T * (F.block + F.block / F.activation_groups().sum * sizeof(int32_t));

  TokensTogether(const ActivationArgs& x, size_t token, size_t first_step, size_t steps, std::byte* scratch)
      : x_(x), token_(token), first_step_(first_step) {
    auto* starts = reinterpret_cast<int32_t*>(scratch);
    auto* q = reinterpret_cast<int8_t*>(starts + T * steps * kSumGroups);
    starts_ = starts;
    q_ = q;
    constexpr size_t kChunks = step_columns(F) / 32;
    for (size_t chunk = 0; chunk < steps * kChunks; ++chunk)
      for (int t = 0; t < T; ++t, q += 32)
        memcpy(q, x.q + (token + t) * x.stride + (first_step * kChunks + chunk) * 32, 32);
    for (size_t group = 0; kStarts && group < steps * kSumGroups; ++group)
      for (int t = 0; t < T; ++t)
        *starts++ = -kOffset * x.sums[(first_step * kSumGroups + group) * x.tokens + token + t];
  }

  NIBBLE_INLINE static constexpr size_t stride() { return 32; }
  NIBBLE_INLINE const int8_t* q(size_t chunk) const { return q_ + chunk * T * 32; }
  NIBBLE_INLINE const int32_t* starts(size_t group) const { return starts_ + group * T; }
  NIBBLE_INLINE const float* scales(size_t step) const {
    return x_.scale + (first_step_ + step) * x_.tokens + token_;
  }
  NIBBLE_INLINE const float* scaled_sums(size_t group) const {
    return x_.scaled_sums + (first_step_ * kSumGroups + group) * x_.tokens + token_;
  }

 private:
  const ActivationArgs& x_;
  size_t token_, first_step_;
  const int32_t* starts_;
  const int8_t* q_;
};

}  // namespace nibble::simd
