#pragma once

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

  /// sum[t][r] is exact; scale and min are those of the rows; scales and scaled_sums those of the tokens.
  template <class Panel>
  static NIBBLE_INLINE void run(const Panel& panel, size_t step, int part, const float* scales,
                                const float* scaled_sums, const Int (&sum)[T][R], Float (&acc)[T][R]) {
    Float w_scale[R];
    for (int r = 0; r < R; ++r) w_scale[r] = panel.scale(step, part, r);
    for (int t = 0; t < T; ++t) {
      const Float a_scale = V::broadcast_float(scales + t);
      for (int r = 0; r < R; ++r)
        acc[t][r] = V::fma(V::to_float(sum[t][r]), V::mul(w_scale[r], a_scale), acc[t][r]);
    }
    if constexpr (F.has_min()) {
      for (int r = 0; r < R; ++r) w_scale[r] = panel.min(step, part, r);
      for (int t = 0; t < T; ++t) {
        const Float a_sum = V::broadcast_float(scaled_sums + t);
        for (int r = 0; r < R; ++r) acc[t][r] = V::fma(w_scale[r], a_sum, acc[t][r]);
      }
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

/// T tokens and one packed panel: the codes are taken apart in registers.
template <class V, PackedFormat F, int T>
class PackedTile {
 public:
  using Int = typename V::Int;
  using Float = typename V::Float;
  using Panel = PackedPanel<V, F>;
  static constexpr int R = V::kRowVectors;

  static NIBBLE_INLINE void run(const Panel& panel, const ActivationArgs& x, size_t token,
                                Float (&acc)[T][R]) {
    const size_t steps = x.padded_cols / kStep;
    for (size_t step = 0; step < steps; ++step) {
      unroll<kParts>([&]<int Part>() NIBBLE_INLINE_LAMBDA {
        const size_t group = (step * kParts + Part) * x.tokens + token;
        Int sum[T][R];
        for (auto& of_token : sum) {
          for (Int& s : of_token) s = V::zero();
        }
        for (int chunk = 0; chunk < kChunks; ++chunk) {
          const size_t column_chunk = step * kChunks + chunk;
          for (int r = 0; r < R; ++r) add<Part>(panel, column_chunk, x, token, r, sum);
        }
        if constexpr (kProducts != Products::wide && Panel::kOffset != 0)
          subtract_offset<V, Panel::kOffset>(x.sums + group, sum);
        ScaleStep<V, F, T, R>::run(Scales{panel}, step, Part, x.scale + step * x.tokens + token,
                                   x.scaled_sums + group, sum, acc);
      });
    }
  }

 private:
  static constexpr Products kProducts = products_of<V, F>();
  static constexpr int kStep = step_columns(F), kParts = kStep / F.group, kChunks = kStep / 32;
  static constexpr int kQuads = 8 / kParts;

  /// The panel's scales, as ScaleStep asks for them.
  struct Scales {
    const Panel& panel;
    NIBBLE_INLINE Float scale(size_t step, int part, int r) const {
      return panel.scale(step * kParts + part, r);
    }
    NIBBLE_INLINE Float min(size_t step, int part, int r) const { return panel.min(step * kParts + part, r); }
  };

  /// sum[..][r] += the products of a chunk (of a part of it where groups are smaller).
  template <int Part>
  static NIBBLE_INLINE void add(const Panel& panel, size_t chunk, const ActivationArgs& x, size_t token,
                                int r, Int (&sum)[T][R]) {
    const size_t at = token * x.stride + chunk * 32;
    if constexpr (kProducts == Products::dot) {
      unroll<kQuads>([&]<int I>() NIBBLE_INLINE_LAMBDA {
        constexpr int Q = Part * kQuads + I;
        const Int w = panel.template unsigned_quad<Q>(chunk, r);
        for (int t = 0; t < T; ++t)
          sum[t][r] = V::dot(sum[t][r], w, V::broadcast32(x.q + at + t * x.stride + 4 * Q));
      });
    } else if constexpr (kProducts == Products::wide) {
      unroll<2 * kQuads>([&]<int I>() NIBBLE_INLINE_LAMBDA {
        constexpr int P = 2 * Part * kQuads + I;
        const Int w = panel.template pairs<P / 2, P % 2>(chunk, r);
        for (int t = 0; t < T; ++t) {
          const Int a = V::broadcast32(x.q16 + at + t * x.stride + 2 * P);
          sum[t][r] = V::add32(sum[t][r], V::madd(w, a));
        }
      });
    } else {
      Int sum16[T];
      unroll<kQuads>([&]<int I>() NIBBLE_INLINE_LAMBDA {
        constexpr int Q = Part * kQuads + I, kRun = narrow_run<F>(kQuads);
        const Int w = panel.template unsigned_quad<Q>(chunk, r);
        for (int t = 0; t < T; ++t) {
          const Int product = V::maddubs(w, V::broadcast32(x.q + at + t * x.stride + 4 * Q));
          sum16[t] = I % kRun == 0 ? product : V::add16(sum16[t], product);
          if constexpr (I % kRun == kRun - 1) sum[t][r] = V::add32(sum[t][r], V::madd(sum16[t], V::set16(1)));
        }
      });
    }
  }
};

/// T tokens and unpacked panels, over the panels' steps [0, steps).
template <class V, PackedFormat U, int T>
class UnpackedTile {
 public:
  using Int = typename V::Int;
  using Float = typename V::Float;
  using Panel = UnpackedPanels<V, U>;
  static constexpr int R = Panel::kVectors;

  /// acc[t][r] += the products with the activations of tokens from `token` on and steps from `first` on.
  static NIBBLE_INLINE void run(const Panel& panel, size_t first, size_t steps, const ActivationArgs& x,
                                size_t token, Float (&acc)[T][R]) {
    for (size_t step = 0; step < steps; ++step) {
      unroll<kParts>([&]<int Part>() NIBBLE_INLINE_LAMBDA {
        const size_t group = ((first + step) * kParts + Part) * x.tokens + token;
        Int sum[T][R];
        unroll<kChunks>([&]<int Chunk>() NIBBLE_INLINE_LAMBDA {
          add<Part>(panel, step, Chunk, x, token, (first + step) * kChunks + Chunk, sum);
        });
        if constexpr (kProducts == Products::narrow && U.offset != 0)
          subtract_offset<V, U.offset>(x.sums + group, sum);
        ScaleStep<V, U, T, R>::run(panel, step, Part, x.scale + (first + step) * x.tokens + token,
                                   x.scaled_sums + group, sum, acc);
      });
    }
  }

 private:
  static constexpr Products kProducts = products_of<V, U>();
  static constexpr int kParts = Panel::kParts, kChunks = Panel::kChunks, kQuads = 8 / kParts;

  template <int Part>
  static NIBBLE_INLINE void add(const Panel& panel, size_t step, int chunk, const ActivationArgs& x,
                                size_t token, size_t column_chunk, Int (&sum)[T][R]) {
    const size_t at = token * x.stride + column_chunk * 32;
    if constexpr (kProducts == Products::dot) {
      add_dot<Part>(panel, step, chunk, x.moved + at, x.stride, sum);
    } else if constexpr (kProducts == Products::wide) {
      add_wide<Part>(panel, step, chunk, x.q16 + at, x.stride, sum);
    } else {
      add_narrow<Part>(panel, step, chunk, x.q + at, x.stride, sum);
    }
  }

  template <int Part>
  static NIBBLE_INLINE void add_dot(const Panel& panel, size_t step, int chunk, const uint8_t* moved,
                                    size_t stride, Int (&sum)[T][R]) {
    if (chunk == 0) {
      for (int r = 0; r < R; ++r) {
        for (int t = 0; t < T; ++t) sum[t][r] = panel.start(step, Part, r);
      }
    }
    unroll<kQuads>([&]<int I>() NIBBLE_INLINE_LAMBDA {
      constexpr int Q = Part * kQuads + I;
      Int w[R];
      for (int r = 0; r < R; ++r) w[r] = panel.template quad<Q>(step, chunk, r);
      for (int t = 0; t < T; ++t) {
        const Int a = V::broadcast32(moved + t * stride + 4 * Q);
        for (int r = 0; r < R; ++r) sum[t][r] = V::dot(sum[t][r], a, w[r]);
      }
    });
  }

  template <int Part>
  static NIBBLE_INLINE void add_wide(const Panel& panel, size_t step, int chunk, const int16_t* q16,
                                     size_t stride, Int (&sum)[T][R]) {
    unroll<2 * kQuads>([&]<int I>() NIBBLE_INLINE_LAMBDA {
      constexpr int P = 2 * Part * kQuads + I;
      Int w[R];
      for (int r = 0; r < R; ++r) w[r] = panel.template pairs<P / 2, P % 2>(step, chunk, r);
      for (int t = 0; t < T; ++t) {
        const Int a = V::broadcast32(q16 + t * stride + 2 * P);
        for (int r = 0; r < R; ++r) {
          const Int product = V::madd(w[r], a);
          sum[t][r] = I == 0 && chunk == 0 ? product : V::add32(sum[t][r], product);
        }
      }
    });
  }

  template <int Part>
  static NIBBLE_INLINE void add_narrow(const Panel& panel, size_t step, int chunk, const int8_t* q,
                                       size_t stride, Int (&sum)[T][R]) {
    constexpr int kRun = narrow_run<U>(kQuads);
    Int sum16[T][R];
    unroll<kQuads>([&]<int I>() NIBBLE_INLINE_LAMBDA {
      constexpr int Q = Part * kQuads + I;
      Int w[R];
      for (int r = 0; r < R; ++r) w[r] = panel.template quad<Q>(step, chunk, r);
      for (int t = 0; t < T; ++t) {
        const Int a = V::broadcast32(q + t * stride + 4 * Q);
        for (int r = 0; r < R; ++r) {
          const Int product = V::maddubs(w[r], a);
          sum16[t][r] = I % kRun == 0 ? product : V::add16(sum16[t][r], product);
          if constexpr (I % kRun == kRun - 1) {
            const Int wide = V::madd(sum16[t][r], V::set16(1));
            sum[t][r] = I < kRun && chunk == 0 ? wide : V::add32(sum[t][r], wide);
          }
        }
      }
    });
  }
};

}  // namespace nibble::simd
