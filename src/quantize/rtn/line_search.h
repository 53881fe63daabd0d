#pragma once

#include "quantize/rtn/scale_search.h"

/// Scale and offset of x ~ s q + o that minimize the weighted squared error, for eight groups at once.
namespace nibble::NIBBLE_RTN_ISA {

struct Line {
  Vec scale, offset;

  /// Where x lies among the codes.
  Vec position(Vec x, Vec inverse) const { return (x - offset) * inverse; }
};

/// Groups shifted to a weighted mean of zero, so that the sums below don't cancel where the mean is large
/// beside the spread. Offsets of lines refer to the shifted values.
template <int N, bool kWeighted>
struct CentredGroups {
  Groups<N, kWeighted> g;
  Vec mean, weight;

  /// `limit` is the lowest offset that the format stores: a lower value would lift the whole group.
  void load(const float* values, const float* importance, int groups, float limit) {
    g.load(values, importance, groups, limit);
    weight = g.weight_sum();
    Vec sum = splat(0.0f);
    for (int j = 0; j < N; ++j) sum += g.weighted(j, g.x[j]);
    mean = sum / weight;
    for (int j = 0; j < N; ++j) g.x[j] -= mean;
  }
};

/// Sums over a group's codes that give the best line: of w q, w q q and w x q.
struct LineSums {
  Vec q = splat(0.0f), qq = splat(0.0f), xq = splat(0.0f);

  /// The least-squares line.
  Line fit(Vec weight) const {
    const Vec mean = q / weight;
    const Vec scale = divide_or_zero(xq, qq - mean * q);
    return {scale, -scale * mean};
  }
  /// The least-squares line through a given offset.
  Line fit_through(Vec offset) const { return {divide_or_zero(xq - offset * q, qq), offset}; }
  /// By how much the line lowers the weighted sum of squares.
  Vec gain(const Line& line, Vec weight) const {
    return line.scale * (xq + xq - line.scale * qq) -
           line.offset * (2.0f * line.scale * q + line.offset * weight);
  }
};

template <int N, bool W>
inline LineSums line_sums(const Groups<N, W>& g, IntegerCodec codec, const Line& line) {
  const Vec inverse = inverse_or_zero(line.scale);
  LineSums s;
  for (int j = 0; j < N; ++j) {
    const Vec q = codec(line.position(g.x[j], inverse));
    const Vec wq = g.weighted(j, q);
    s.q += wq;
    s.qq += q * wq;
    s.xq += g.x[j] * wq;
  }
  return s;
}

/// A start of the search: the codes span 1 / step of the group's range, moved by `shift` codes.
struct LineStart {
  float step, shift;
};

/// Starts that serve most formats: ranges a little inside and outside the codes', moved to either side,
/// since it is seldom best to cut both ends alike.
inline constexpr LineStart kLineStarts[] = {{1.0f, 0.0f},  {0.96f, 0.3f},  {0.96f, -0.3f},
                                            {1.05f, 0.3f}, {1.05f, -0.3f}, {1.11f, 0.0f}};

/// Best line with codes 0..codec.hi and, when kNonPositive, offset + mean <= 0.
template <bool kNonPositive, int N, bool W, int K>
inline Line search_line(const CentredGroups<N, W>& c, IntegerCodec codec, const LineStart (&starts)[K],
                        int rounds) {
  const auto fit = [&](const LineSums& s) {
    const Line free = s.fit(c.weight);
    if constexpr (!kNonPositive) return free;
    const Line bound = s.fit_through(-c.mean);
    const VecI too_high = free.offset > -c.mean;
    return Line{select(too_high, bound.scale, free.scale), select(too_high, bound.offset, free.offset)};
  };
  Vec lo, hi;
  value_range(c.g, lo, hi);
  if constexpr (kNonPositive) lo = min(lo, -c.mean);
  const Vec range = (hi - lo) * splat(1.0f / codec.hi), middle = (hi + lo) * splat(0.5f);
  Line best = {splat(0.0f), kNonPositive ? min(splat(0.0f), -c.mean) : splat(0.0f)};
  Vec best_gain = -best.offset * best.offset * c.weight;
  for (const LineStart& start : starts) {
    const Vec scale = range * splat(1.0f / start.step);
    const LineSums s = line_sums(c.g, codec, {scale, middle - scale * splat(0.5f * codec.hi + start.shift)});
    const Line line = fit(s);
    const Vec gain = s.gain(line, c.weight);
    const VecI better = gain > best_gain;
    best = {select(better, line.scale, best.scale), select(better, line.offset, best.offset)};
    best_gain = select(better, gain, best_gain);
  }
  for (int r = 0; r < rounds; ++r) best = fit(line_sums(c.g, codec, best));
  return best;
}

}  // namespace nibble::NIBBLE_RTN_ISA
