#pragma once

#include <cstddef>

#include "base/half.h"
#include "quantize/rtn/line_search.h"

/// Super-blocks of 256 values whose groups have integer scales and mins beside two half-precision
/// factors: x = d sc q - dmin mn.
namespace nibble::NIBBLE_RTN_ISA {

/// Integer scales and mins of eight groups, with the sums that d and dmin follow from.
struct OffsetFit {
  Vec sc = splat(0.0f), mn = splat(0.0f), error = splat(3e38f);
  LineSums sums;
};

/// The line of scale s and offset o (of the centred values): its weighted squared error, and sums.
template <int N, bool W>
inline Vec line_error(const Groups<N, W>& g, IntegerCodec codec, const Line& line, LineSums& s) {
  const Vec inverse = inverse_or_zero(line.scale);
  Vec error = splat(0.0f);
  s = LineSums{};
  for (int j = 0; j < N; ++j) {
    const Vec above = g.x[j] - line.offset;
    const Vec q = codec(above * inverse);
    const Vec wq = g.weighted(j, q);
    s.q += wq;
    s.qq += q * wq;
    s.xq += g.x[j] * wq;
    const Vec difference = above - line.scale * q;
    error += g.weighted(j, difference) * difference;
  }
  return error;
}

/// For each group the integers next to the ideal scale and min whose codes fit best.
template <int N, bool W>
inline OffsetFit fit_group_lines(const CentredGroups<N, W>& c, IntegerCodec codec, IntegerCodec factors,
                                 const Line& ideal, Vec d, Vec dmin) {
  const Vec sc0 = factors(ideal.scale * inverse_or_zero(d));
  OffsetFit best;
  for (int i = 0; i < 3; ++i) {
    const Vec sc = clamp(sc0 + splat(float(i - 1)), factors.lo, factors.hi);
    // The min that suits this scale: the ideal line turned around the middle of its codes.
    const Vec turned = ideal.offset + (ideal.scale - d * sc) * splat(0.5f * codec.hi);
    const Vec mn0 = factors(-(turned + c.mean) * inverse_or_zero(dmin));
    for (int k = 0; k < 3; ++k) {
      const Vec mn = clamp(mn0 + splat(float(k - 1)), factors.lo, factors.hi);
      LineSums sums;
      const Vec error = line_error(c.g, codec, {d * sc, -dmin * mn - c.mean}, sums);
      const VecI better = error < best.error;
      best.error = select(better, error, best.error);
      best.sc = select(better, sc, best.sc);
      best.mn = select(better, mn, best.mn);
      best.sums.q = select(better, sums.q, best.sums.q);
      best.sums.qq = select(better, sums.qq, best.sums.qq);
      best.sums.xq = select(better, sums.xq, best.sums.xq);
    }
  }
  return best;
}

/// Normal equations of x ~ d (sc q) - dmin mn over a super-block.
struct FactorSums {
  Vec aa = splat(0.0f), ab = splat(0.0f), bb = splat(0.0f), xa = splat(0.0f), xb = splat(0.0f);

  void add(const OffsetFit& fit, Vec mean, Vec weight) {
    aa += fit.sc * fit.sc * fit.sums.qq;
    ab += fit.sc * fit.mn * fit.sums.q;
    bb += fit.mn * fit.mn * weight;
    xa += fit.sc * (fit.sums.xq + mean * fit.sums.q);
    xb += fit.mn * mean * weight;
  }
  /// False when they don't determine both.
  bool solve(float& d, float& dmin) const {
    const double a = sum_lanes(aa), b = sum_lanes(ab), c = sum_lanes(bb), p = sum_lanes(xa),
                 q = sum_lanes(xb);
    const double determinant = a * c - b * b;
    if (!(a > 0.0)) return false;
    if (!(determinant > 1e-6 * a * c)) {
      d = float((p + b * double(dmin)) / a);
      return d > 0.0f;
    }
    d = float((p * c - b * q) / determinant);
    dmin = float((b * p - a * q) / determinant);
    return d > 0.0f && dmin > 0.0f;
  }
};

/// Bits of d and dmin, the same in every lane.
struct SuperFactors {
  VecI d = splat(0), dmin = splat(0);
};

/// The scales and mins of one super-block. A Format names the codec, the range of the integer factors,
/// where the search starts, and how often d and dmin and the integers are fitted to each other.
template <class Format, int N, bool W>
inline SuperFactors fit_super_offset(const CentredGroups<N, W> (&c)[256 / N / kLanes],
                                     OffsetFit (&best)[256 / N / kLanes]) {
  constexpr int H = 256 / N / kLanes;
  Line ideal[H];
  float max_scale = 0.0f, max_min = 0.0f;
  for (int h = 0; h < H; ++h) {
    ideal[h] = search_line<true>(c[h], Format::kCodec, Format::kStarts, Format::kRounds);
    const float scale = max_lane(ideal[h].scale), min_value = max_lane(-(ideal[h].offset + c[h].mean));
    max_scale = scale > max_scale ? scale : max_scale;
    max_min = min_value > max_min ? min_value : max_min;
  }
  SuperFactors best_factors;
  float best_error = 3.4e38f;
  float d = max_scale / Format::kFactors.hi, dmin = max_min / Format::kFactors.hi;
  for (int r = 0; r < Format::kSuperRounds; ++r) {
    const SuperFactors factors = {half_bits(splat(d)), half_bits(splat(dmin))};
    OffsetFit fit[H];
    FactorSums sums;
    float error = 0.0f;
    for (int h = 0; h < H; ++h) {
      fit[h] = fit_group_lines(c[h], Format::kCodec, Format::kFactors, ideal[h], half_value(factors.d),
                               half_value(factors.dmin));
      sums.add(fit[h], c[h].mean, c[h].weight);
      error += sum_lanes(fit[h].error);
    }
    if (error < best_error) {
      best_error = error;
      best_factors = factors;
      for (int h = 0; h < H; ++h) best[h] = fit[h];
    }
    if (!sums.solve(d, dmin)) break;
  }
  return best_factors;
}

template <class Format, bool W>
inline void quantize_super_offset_as(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  using Block = typename Format::Block;
  constexpr int N = Format::kGroup, H = 256 / N / kLanes;
  Block* blocks = reinterpret_cast<Block*>(out);
  for (uint64_t b = 0; b < cols / 256; ++b) {
    CentredGroups<N, W> c[H];
    for (int h = 0; h < H; ++h) {
      const uint64_t first = b * 256 + h * kLanes * N;
      c[h].load(x + first, W ? importance + first : nullptr, kLanes, Format::kFactors.hi * kLargestHalf);
    }
    OffsetFit fit[H];
    const SuperFactors factors = fit_super_offset<Format>(c, fit);
    const Vec d = half_value(factors.d), dmin = half_value(factors.dmin);
    uint8_t codes[256];
    int32_t scales[256 / N], mins[256 / N];
    for (int h = 0; h < H; ++h) {
      const Line line = {d * fit[h].sc, -dmin * fit[h].mn - c[h].mean};
      const Vec inverse = inverse_or_zero(line.scale);
      for (int j = 0; j < N; ++j) c[h].g.x[j] = Format::kCodec(line.position(c[h].g.x[j], inverse));
      store_codes<N>(c[h].g.x, codes + h * kLanes * N);
      const VecI sc = to_int(fit[h].sc), mn = to_int(fit[h].mn);
      std::memcpy(scales + h * kLanes, &sc, sizeof(sc));
      std::memcpy(mins + h * kLanes, &mn, sizeof(mn));
    }
    blocks[b].d = half(factors.d[0]);
    blocks[b].dmin = half(factors.dmin[0]);
    Format::pack(codes, scales, mins, blocks[b]);
  }
}

template <class Format>
void quantize_super_offset(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  importance != nullptr ? quantize_super_offset_as<Format, true>(x, out, cols, importance)
                        : quantize_super_offset_as<Format, false>(x, out, cols, nullptr);
}

}  // namespace nibble::NIBBLE_RTN_ISA
