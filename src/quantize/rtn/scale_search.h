#pragma once

#include "quantize/rtn/lanes.h"

/// Scales that minimize the weighted squared error, for eight groups at once.
///
/// For given codes the best scale is a least-squares solution; for a given scale the best codes are the
/// nearest ones. The search starts from a set of scales, keeps the one whose codes fit best after least
/// squares, and alternates the two steps from there, which never makes the error larger.
namespace nibble::NIBBLE_RTN_ISA {

/// A codec knows the values that codes stand for, in units of the scale.
/// Integers lo..hi, stored as 0..hi - lo.
struct IntegerCodec {
  float lo, hi;

  /// The value nearest to t.
  Vec operator()(Vec t) const { return round(clamp(t, lo, hi)); }
  /// The code of that value.
  Vec code(Vec t) const { return (*this)(t)-splat(lo); }
  /// The value of largest magnitude.
  float lowest() const { return lo; }
};

/// Eight groups of N values with the weights of their squared errors.
template <int N, bool kWeighted>
struct Groups {
  static constexpr int kSize = N;
  Vec x[N];
  Vec w[kWeighted ? N : 1];

  void load(const float* values, const float* importance, int groups, float limit = kLargestValue) {
    load_groups<N>(values, groups, limit, 0.0f, x);
    if constexpr (kWeighted) load_groups<N>(importance, groups, kLargestValue, 1.0f, w);
  }
  Vec weighted(int j, Vec v) const {
    if constexpr (kWeighted) return w[j] * v;
    return v;
  }
  Vec weight_sum() const {
    if constexpr (!kWeighted) return splat(float(N));
    Vec sum = w[0];
    for (int j = 1; j < N; ++j) sum += w[kWeighted ? j : 0];
    return sum;
  }
};

/// Smallest and largest value of each group.
template <int N, bool W>
inline void value_range(const Groups<N, W>& g, Vec& lo, Vec& hi) {
  lo = hi = g.x[0];
  for (int j = 1; j < N; ++j) {
    lo = min(lo, g.x[j]);
    hi = max(hi, g.x[j]);
  }
}

/// Of each group the value of largest magnitude, with its sign.
template <int N, bool W>
inline Vec extreme_value(const Groups<N, W>& g) {
  Vec lo, hi;
  value_range(g, lo, hi);
  return select(hi > -lo, hi, lo);
}

/// What the best scale for some codes follows from: sum of w x q and of w q q.
struct ScaleSums {
  Vec xq = splat(0.0f), qq = splat(0.0f);

  Vec scale() const { return divide_or_zero(xq, qq); }
  /// By how much x ~ s q lowers the weighted sum of squares below that of x.
  Vec gain(Vec s) const { return s * (xq + xq - s * qq); }
};

/// The sums for the codes nearest to x * inverse.
template <int N, bool W, class Codec>
inline ScaleSums scale_sums(const Groups<N, W>& g, const Codec& codec, Vec inverse) {
  ScaleSums s;
  for (int j = 0; j < N; ++j) {
    const Vec q = codec(g.x[j] * inverse);
    const Vec wq = g.weighted(j, q);
    s.xq += g.x[j] * wq;
    s.qq += q * wq;
  }
  return s;
}

/// The scale s of x ~ s q. inverse * steps[k] are the inverse scales to start from, `rounds` the number
/// of alternations after the best of them.
template <int N, bool W, class Codec, int K>
inline Vec search_scale(const Groups<N, W>& g, const Codec& codec, Vec inverse, const float (&steps)[K],
                        int rounds) {
  Vec best = splat(0.0f), best_gain = splat(0.0f);
  for (int k = 0; k < K; ++k) {
    const ScaleSums s = scale_sums(g, codec, inverse * splat(steps[k]));
    const Vec scale = s.scale();
    const Vec gain = s.xq * scale;
    const VecI better = gain > best_gain;
    best = select(better, scale, best);
    best_gain = select(better, gain, best_gain);
  }
  for (int r = 0; r < rounds; ++r) best = scale_sums(g, codec, inverse_or_zero(best)).scale();
  return best;
}

}  // namespace nibble::NIBBLE_RTN_ISA
