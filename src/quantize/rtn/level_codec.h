#pragma once

#include "quantize/rtn/lanes.h"

namespace nibble::NIBBLE_RTN_ISA {

/// A codec (scale_search.h) of 16 unevenly spaced values, Levels::value(0 .. 15) in ascending order: the
/// nearest one is found by bisection among the middles between neighbours. A value on a middle takes the
/// lower neighbour.
template <class Levels>
struct LevelCodec {
  static constexpr float value(int i) { return Levels::value(i); }
  static constexpr float middle(int i) { return (value(i - 1) + value(i)) * 0.5f; }

  VecI index(Vec t) const {
    const VecI upper = t > splat(middle(8));
    const VecI quarter = t > select(upper, splat(middle(12)), splat(middle(4)));
    const VecI two = (upper & 2) | (quarter & 1);
    const Vec eighths = {middle(2), middle(6), middle(10), middle(14), 0, 0, 0, 0};
    const VecI three = two + two - (t > look_up(eighths, two));
    const Vec sixteenths = {middle(1), middle(3),  middle(5),  middle(7),
                            middle(9), middle(11), middle(13), middle(15)};
    return three + three - (t > look_up(sixteenths, three));
  }
  Vec operator()(Vec t) const {
    const Vec low = {value(0), value(1), value(2), value(3), value(4), value(5), value(6), value(7)};
    const Vec high = {value(8), value(9), value(10), value(11), value(12), value(13), value(14), value(15)};
    const VecI i = index(t);
    return select(i > 7, look_up(high, i & 7), look_up(low, i & 7));
  }
  /// The place of that value.
  Vec code(Vec t) const { return to_float(index(t)); }
  float lowest() const { return value(0); }
};

}  // namespace nibble::NIBBLE_RTN_ISA
