#pragma once

#include <cstddef>

#include "base/half.h"
#include "quantize/rtn/scale_search.h"

/// Super-blocks of 256 values whose groups have integer scales beside one half-precision scale d:
/// x = d sc q.
namespace nibble::NIBBLE_RTN_ISA {

/// How often d and the group scales are fitted to each other.
inline constexpr int kSuperRounds = 2;

/// Integer group scales and the sums that the super-block's scale follows from.
struct ScaledFit {
  Vec sc = splat(0.0f);
  ScaleSums sums;
};

/// For each group the integer scale among the three nearest to `ideal` / d whose codes fit best.
template <int N, bool W, class Codec>
inline ScaledFit fit_group_scales(const Groups<N, W>& g, const Codec& codec, Vec ideal, Vec d,
                                  IntegerCodec scales) {
  const Vec middle = scales(ideal * inverse_or_zero(d));
  ScaledFit best;
  Vec best_gain = splat(-3e38f);
  for (int step = -1; step <= 1; ++step) {
    const Vec sc = clamp(middle + splat(float(step)), scales.lo, scales.hi);
    const Vec s = sc * d;
    const ScaleSums sums = scale_sums(g, codec, inverse_or_zero(s));
    const Vec gain = sums.gain(s);
    const VecI better = gain > best_gain;
    best.sc = select(better, sc, best.sc);
    best.sums.xq = select(better, sums.xq, best.sums.xq);
    best.sums.qq = select(better, sums.qq, best.sums.qq);
    best_gain = select(better, gain, best_gain);
  }
  return best;
}

/// The scales of one super-block: returns d's bits. A Format names the codec, the range of the integer
/// scales and where the search starts.
template <class Format, int N, bool W>
inline VecI fit_super_scaled(const Groups<N, W> (&g)[256 / N / kLanes],
                             Vec (&group_scales)[256 / N / kLanes]) {
  constexpr int H = 256 / N / kLanes;
  Vec ideal[H];
  float extreme = 0.0f;
  for (int h = 0; h < H; ++h) {
    const Vec inverse = inverse_or_zero(extreme_value(g[h]), Format::kCodec.lowest());
    ideal[h] = search_scale(g[h], Format::kCodec, inverse, Format::kSteps, Format::kRounds);
    for (int l = 0; l < kLanes; ++l) {
      const float s = ideal[h][l];
      if ((s < 0 ? -s : s) > (extreme < 0 ? -extreme : extreme)) extreme = s;
    }
    group_scales[h] = splat(0.0f);
  }
  float best_gain = -1.0f;
  VecI best_bits = splat(0), bits = half_bits(splat(extreme / Format::kScales.lo));
  for (int r = 0; r < kSuperRounds; ++r) {
    const Vec d = half_value(bits);
    ScaledFit fit[H];
    Vec xq = splat(0.0f), qq = splat(0.0f);
    for (int h = 0; h < H; ++h) {
      fit[h] = fit_group_scales(g[h], Format::kCodec, ideal[h], d, Format::kScales);
      xq += fit[h].sc * fit[h].sums.xq;
      qq += fit[h].sc * fit[h].sc * fit[h].sums.qq;
    }
    const float total_xq = sum_lanes(xq), total_qq = sum_lanes(qq);
    const float gain = d[0] * (2.0f * total_xq - d[0] * total_qq);
    if (gain > best_gain) {
      best_gain = gain;
      best_bits = bits;
      for (int h = 0; h < H; ++h) group_scales[h] = fit[h].sc;
    }
    if (!(total_qq > 0.0f)) break;
    bits = half_bits(splat(total_xq / total_qq));
  }
  return best_bits;
}

template <class Format, bool W>
inline void quantize_super_scaled_as(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  using Block = typename Format::Block;
  constexpr int N = Format::kGroup, H = 256 / N / kLanes;
  Block* blocks = reinterpret_cast<Block*>(out);
  for (uint64_t b = 0; b < cols / 256; ++b) {
    Groups<N, W> g[H];
    for (int h = 0; h < H; ++h) {
      const uint64_t first = b * 256 + h * kLanes * N;
      g[h].load(x + first, W ? importance + first : nullptr, kLanes);
    }
    Vec sc[H];
    const VecI d = fit_super_scaled<Format>(g, sc);
    uint8_t codes[256];
    int32_t scales[256 / N];
    for (int h = 0; h < H; ++h) {
      const Vec inverse = inverse_or_zero(half_value(d) * sc[h]);
      for (int j = 0; j < N; ++j) g[h].x[j] = Format::kCodec.code(g[h].x[j] * inverse);
      store_codes<N>(g[h].x, codes + h * kLanes * N);
      const VecI integers = to_int(sc[h]);
      std::memcpy(scales + h * kLanes, &integers, sizeof(integers));
    }
    blocks[b].d = half(d[0]);
    Format::pack(codes, scales, blocks[b]);
  }
}

template <class Format>
void quantize_super_scaled(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  importance != nullptr ? quantize_super_scaled_as<Format, true>(x, out, cols, importance)
                        : quantize_super_scaled_as<Format, false>(x, out, cols, nullptr);
}

}  // namespace nibble::NIBBLE_RTN_ISA
