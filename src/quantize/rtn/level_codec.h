#pragma once

#include "quantize/rtn/lanes.h"

namespace nibble::NIBBLE_RTN_ISA {

/// The nearest of 16 unevenly spaced values in ascending order, found by bisection among the middles between
/// neighbours. A value on a middle takes the lower neighbour.
struct LevelSearch {
  Vec low, high;                        ///< values 0 .. 7 and 8 .. 15
  float quarter, half, three_quarters;  ///< the middles below values 4, 8 and 12
  Vec eighths, sixteenths;              ///< those below values 2, 6, 10, 14, and below the odd ones

  /// The place of the value nearest to t.
  VecI index(Vec t) const {
    const VecI upper = t > splat(half);
    const VecI fourth = t > select(upper, splat(three_quarters), splat(quarter));
    const VecI two = (upper & 2) | (fourth & 1);
    const VecI three = two + two - (t > look_up(eighths, two));
    return three + three - (t > look_up(sixteenths, three));
  }
  /// The value at a place.
  Vec value(VecI i) const { return select(i > 7, look_up(high, i & 7), look_up(low, i & 7)); }
};

/// `value(0 .. 15)` gives the values.
template <class Value>
inline LevelSearch level_search(Value value) {
  const auto middle = [&](int i) { return (value(i - 1) + value(i)) * 0.5f; };
  return {Vec{value(0), value(1), value(2), value(3), value(4), value(5), value(6), value(7)},
          Vec{value(8), value(9), value(10), value(11), value(12), value(13), value(14), value(15)},
          middle(4),
          middle(8),
          middle(12),
          Vec{middle(2), middle(6), middle(10), middle(14), 0, 0, 0, 0},
          Vec{middle(1), middle(3), middle(5), middle(7), middle(9), middle(11), middle(13), middle(15)}};
}

/// A codec (scale_search.h) of 16 values that are known when this is compiled: Levels::value(0 .. 15).
template <class Levels>
struct LevelCodec {
  static LevelSearch search() {
    return level_search([](int i) { return Levels::value(i); });
  }
  Vec operator()(Vec t) const { return search().value(search().index(t)); }
  /// The place of that value.
  Vec code(Vec t) const { return to_float(search().index(t)); }
  float lowest() const { return Levels::value(0); }
};

}  // namespace nibble::NIBBLE_RTN_ISA
