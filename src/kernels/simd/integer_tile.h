#pragma once

#include "kernels/simd/tile_tokens.h"
#include "kernels/simd/tiles.h"
#include "kernels/simd/unpacked_panel.h"

/// The arithmetic of integer products, in the order of reference_integer_matmul: the products of a group are
/// summed as integers, exactly; each sum, as a float, times the product of the two scales joins the
/// accumulator by a fused multiplication and addition; where the format has mins, so does the min times the
/// scaled sum of the activations.
namespace nibble::simd {

/// The scales of a tile's tokens and their way to the accumulators.
template <class V, PackedFormat F, int T, int R>
struct ScaleStep {
  using Int = typename V::Int;
  using Float = typename V::Float;

  /// acc[t][r] += the sums of a group that has a scale of the activations for itself; scales are the tokens'.
  static NIBBLE_INLINE void add(const Float (&w_scale)[R], const float* scales, const Int (&sum)[T][R],
                                Float (&acc)[T][R]) {
    for (int t = 0; t < T; ++t) {
      const Float a_scale = V::broadcast_float(scales + t);
      for (int r = 0; r < R; ++r)
        acc[t][r] = V::fma(V::to_float(sum[t][r]), V::mul(w_scale[r], a_scale), acc[t][r]);
    }
  }

  /// part[t][r] = or += the sums times the rows' scales alone.
  template <bool First>
  static NIBBLE_INLINE void add_part(const Float (&w_scale)[R], const Int (&sum)[T][R], Float (&part)[T][R]) {
    for (int t = 0; t < T; ++t) {
      for (int r = 0; r < R; ++r) {
        const Float value = V::to_float(sum[t][r]);
        part[t][r] = First ? V::mul(value, w_scale[r]) : V::fma(value, w_scale[r], part[t][r]);
      }
    }
  }

  static NIBBLE_INLINE void scale_part(const float* scales, const Float (&part)[T][R], Float (&acc)[T][R]) {
    for (int t = 0; t < T; ++t) {
      const Float a_scale = V::broadcast_float(scales + t);
      for (int r = 0; r < R; ++r) acc[t][r] = V::fma(part[t][r], a_scale, acc[t][r]);
    }
  }

  static NIBBLE_INLINE void add_min(const Float (&min)[R], const float* scaled_sums, Float (&acc)[T][R]) {
    for (int t = 0; t < T; ++t) {
      const Float a_sum = V::broadcast_float(scaled_sums + t);
      for (int r = 0; r < R; ++r) acc[t][r] = V::fma(min[r], a_sum, acc[t][r]);
    }
  }
};

/// Codes stand Offset above the weights: takes Offset times the sums of the tokens' activations off.
template <class V, int Offset, int T, int R>
NIBBLE_INLINE void subtract_offset(const int32_t* sums, typename V::Int (&sum)[T][R]) {
  for (int t = 0; t < T; ++t) {
    const typename V::Int correction = V::template multiply<Offset>(V::broadcast32(sums + t));
    for (int r = 0; r < R; ++r) sum[t][r] = V::sub32(sum[t][r], correction);
  }
}

/// T tokens (TokenRows or TokensTogether) and a panel, packed (PackedSteps) or unpacked (UnpackedPanels).
template <class V, class Panel, class Tokens, int T>
class IntegerTile {
 public:
  using Int = typename V::Int;
  using Float = typename V::Float;
  static constexpr int R = Panel::kVectors;

  /// acc[t][r] += the products of the panel's steps [0, steps) with the activations' steps from `first` on.
  static NIBBLE_INLINE void run(const Panel& panel, size_t steps, const Tokens& x, size_t first,
                                Float (&acc)[T][R]) {
    for (size_t step = 0; step < steps; ++step) {
      panel.prefetch(step);
      const float* scales = x.scales(first + step);
      if constexpr (kFormat.folded()) {
        add_folded(panel, step, first + step, x, scales, acc);
      } else if constexpr (kParts == 1) {
        Int sum[T][R];
        multiply<0>(panel, step, first + step, x, sum);
        Scale::add(of_rows([&](int r) { return panel.scale(step, 0, r); }).values, scales, sum, acc);
      } else {
        Float part[T][R];
        unroll<kParts>([&]<int Part>() NIBBLE_INLINE_LAMBDA {
          Int sum[T][R];
          multiply<Part>(panel, step, first + step, x, sum);
          Scale::template add_part<Part == 0>(
              of_rows([&](int r) { return panel.scale(step, Part, r); }).values, sum, part);
        });
        Scale::scale_part(scales, part, acc);
      }
      if constexpr (kFormat.has_min()) {
        for (int part = 0; part < kParts; ++part) {
          Scale::add_min(of_rows([&](int r) { return panel.min(step, part, r); }).values,
                         x.scaled_sums((first + step) * kParts + part), acc);
        }
      }
    }
  }

 private:
  static constexpr PackedFormat kFormat = Panel::kFormat;
  static constexpr Products kProducts = products_of<V, kFormat>();
  static constexpr int kChunks = step_columns(kFormat) / 32, kParts = step_columns(kFormat) / kFormat.group;
  /// Quads of a chunk that are summed together.
  static constexpr int kQuads = kFormat.folded() ? int(kFoldedColumns) / 4 : 8 / kParts;
  /// Codes stand above the weights, and the sums do not start from that.
  static constexpr bool kSubtracts = Panel::kOffset != 0 && !Tokens::kStarts;
  using Scale = ScaleStep<V, kFormat, T, R>;

  struct OfRows {
    Float values[R];
  };
  template <class Value>
  static NIBBLE_INLINE OfRows of_rows(Value&& value) {
    OfRows all;
    for (int r = 0; r < R; ++r) all.values[r] = value(r);
    return all;
  }

  /// sum = the products of part Part of step `step` of the panel, which is step `at` of the activations.
  template <int Part>
  static NIBBLE_INLINE void multiply(const Panel& panel, size_t step, size_t at, const Tokens& x,
                                     Int (&sum)[T][R]) {
    const size_t group = at * kParts + Part;
    if constexpr (kProducts == Products::dot) start<Part>(panel, step, x, group, sum);
    unroll<kChunks>([&]<int Chunk>() NIBBLE_INLINE_LAMBDA {
      add<Part, Chunk>(panel, step, x, at * kChunks + Chunk, sum);
    });
    if constexpr (kSubtracts) subtract_offset<V, Panel::kOffset>(x.sums(group), sum);
  }

  /// A packed panel of a folded format: the products with the factors that are stored, times their integer
  /// scales. All of it is exact in float32: a group's sum is below 64 * 128 * 127.
  static NIBBLE_INLINE void add_folded(const Panel& panel, size_t step, size_t at, const Tokens& x,
                                       const float* scales, Float (&acc)[T][R]) {
    Float total[T][R];
    unroll<2 * kChunks>([&]<int Group>() NIBBLE_INLINE_LAMBDA {
      constexpr int kChunk = Group / 2, kHalf = Group % 2;
      Int sum[T][R];
      const size_t group = at * 2 * kChunks + Group;
      const int8_t* q = x.q(at * kChunks + kChunk);
      if constexpr (V::kDotProduct) {
        start<0>(panel, step, x, group, sum);
        add_dot<kHalf, kChunk>(panel, step, q, x.stride(), sum);
      } else {
        add_narrow<kHalf, kChunk, true>(panel, step, q, x.stride(), sum);
      }
      if constexpr (kSubtracts) subtract_offset<V, Panel::kOffset>(x.sums(group), sum);
      const OfRows scale = of_rows([&](int r) { return panel.integer_scale(step, Group, r); });
      Scale::template add_part<Group == 0>(scale.values, sum, total);
    });
    const OfRows w_scale = of_rows([&](int r) { return panel.scale(step, 0, r); });
    for (int t = 0; t < T; ++t) {
      const Float a_scale = V::broadcast_float(scales + t);
      for (int r = 0; r < R; ++r)
        acc[t][r] = V::fma(total[t][r], V::mul(w_scale.values[r], a_scale), acc[t][r]);
    }
  }

  /// Adds the products of a chunk, or of a part of it where groups are smaller, which is chunk `at` of the
  /// activations. Where there are no dot products the sums begin with the first chunk of a step.
  template <int Part, int Chunk>
  static NIBBLE_INLINE void add(const Panel& panel, size_t step, const Tokens& x, size_t at,
                                Int (&sum)[T][R]) {
    if constexpr (kProducts == Products::dot && Panel::kSignedWeights) {
      add_dot<Part, Chunk>(panel, step, x.moved(at), x.stride(), sum);
    } else if constexpr (kProducts == Products::dot) {
      add_dot<Part, Chunk>(panel, step, x.q(at), x.stride(), sum);
    } else if constexpr (kProducts == Products::wide) {
      add_wide<Part, Chunk>(panel, step, x.q16(at), x.stride(), sum);
    } else {
      add_narrow<Part, Chunk>(panel, step, x.q(at), x.stride(), sum);
    }
  }

  /// `group` is that of the activations' sums.
  template <int Part>
  static NIBBLE_INLINE void start(const Panel& panel, size_t step, const Tokens& x, size_t group,
                                  Int (&sum)[T][R]) {
    for (int r = 0; r < R; ++r) {
      for (int t = 0; t < T; ++t) {
        if constexpr (Panel::kSignedWeights) {
          sum[t][r] = panel.start(step, Part, r);
        } else if constexpr (Tokens::kStarts) {
          sum[t][r] = V::broadcast32(x.starts(group) + t);
        } else {
          sum[t][r] = V::zero();
        }
      }
    }
  }

  /// The activations are the unsigned factor where the weights are signed, and the other way round.
  template <int Part, int Chunk, typename Activation>
  static NIBBLE_INLINE void add_dot(const Panel& panel, size_t step, const Activation* x, size_t stride,
                                    Int (&sum)[T][R]) {
    unroll<kQuads>([&]<int I>() NIBBLE_INLINE_LAMBDA {
      constexpr int Q = Part * kQuads + I;
      Int w[R];
      for (int r = 0; r < R; ++r) w[r] = panel.template quad<Q>(step, Chunk, r);
      for (int t = 0; t < T; ++t) {
        const Activation* four = x + t * stride + 4 * Q;
        if constexpr (R == 1 && !Panel::kSignedWeights) {
          sum[t][0] = V::dot_broadcast(sum[t][0], w[0], four);
          continue;
        }
        const Int a = V::broadcast32(four);
        for (int r = 0; r < R; ++r) {
          sum[t][r] = Panel::kSignedWeights ? V::dot(sum[t][r], a, w[r]) : V::dot(sum[t][r], w[r], a);
        }
      }
    });
  }

  template <int Part, int Chunk>
  static NIBBLE_INLINE void add_wide(const Panel& panel, size_t step, const int16_t* q16, size_t stride,
                                     Int (&sum)[T][R]) {
    unroll<2 * kQuads>([&]<int I>() NIBBLE_INLINE_LAMBDA {
      constexpr int P = 2 * Part * kQuads + I;
      Int w[R];
      for (int r = 0; r < R; ++r) w[r] = panel.template pairs<P / 2, P % 2>(step, Chunk, r);
      for (int t = 0; t < T; ++t) {
        const Int a = V::broadcast32(q16 + t * stride + 2 * P);
        for (int r = 0; r < R; ++r) {
          const Int product = V::madd(w[r], a);
          sum[t][r] = I == 0 && Chunk == 0 ? product : V::add32(sum[t][r], product);
        }
      }
    });
  }

  /// First: the sums begin here, as they do with the first chunk.
  template <int Part, int Chunk, bool First = Chunk == 0>
  static NIBBLE_INLINE void add_narrow(const Panel& panel, size_t step, const int8_t* q, size_t stride,
                                       Int (&sum)[T][R]) {
    constexpr int kRun = narrow_run<kFormat>(kQuads);
    Int sum16[T][R];
    unroll<kQuads>([&]<int I>() NIBBLE_INLINE_LAMBDA {
      constexpr int Q = Part * kQuads + I;
      Int w[R];
      for (int r = 0; r < R; ++r) w[r] = panel.template quad<Q>(step, Chunk, r);
      for (int t = 0; t < T; ++t) {
        const Int a = V::broadcast32(q + t * stride + 4 * Q);
        for (int r = 0; r < R; ++r) {
          const Int product = V::maddubs(w[r], a);
          sum16[t][r] = I % kRun == 0 ? product : V::add16(sum16[t][r], product);
          if constexpr (I % kRun == kRun - 1) {
            const Int wide = V::madd(sum16[t][r], V::set16(1));
            sum[t][r] = I < kRun && First ? wide : V::add32(sum[t][r], wide);
          }
        }
      }
    });
  }
};

}  // namespace nibble::simd
