#pragma once

#include "kernels/matmul_args.h"
#include "kernels/packed_format.h"
#include "kernels/simd/tiles.h"
#include "kernels/simd/unroll.h"
#include "tensor/blocks.h"

/// Matrix products of packed integer weights with int8 activations, for any vector type V of 32-bit lanes
/// (avx2/vectors.h, avx512/vectors.h). One lane is one row. One token takes the codes apart in registers;
/// several unpack a panel once and go over it tile by tile. Both do the operations of
/// reference_integer_matmul in its order, so a result depends on neither.
namespace nibble::simd {

/// How V multiplies the weights of F. With VPDPBUSD all codes are unsigned bytes, signed ones moved up by
/// 128, and sums have 32 bits. Without, signed bytes multiply as 16-bit pairs.
template <class V, PackedFormat F>
struct Arithmetic {
  static constexpr bool kWide = F.wide() && !V::kDotProduct;
  static constexpr int kOffset = F.wide() && V::kDotProduct ? 128 : F.offset;
};

/// A panel as the bytes of Linear's packed matrix.
template <class V, PackedFormat F>
class PackedPanel {
 public:
  using Int = typename V::Int;
  using Float = typename V::Float;

  explicit PackedPanel(const uint8_t* panel) : header_(panel), blocks_(panel + F.header_bytes()) {}

  /// The stored codes of quad Q of a group of 32 columns, for row vector r.
  template <int Q>
  NIBBLE_INLINE Int codes(size_t group, int r) const {
    const uint8_t* lines =
        block(group) + F.scale_bytes() + group % kGroups32 * F.group32_bytes() + r * V::kBytes;
    if constexpr (F.bits == 8) return V::load(lines + Q * kCodeLineBytes);
    if constexpr (F.bits == 4) return nibble_code<Q>(lines);
    if constexpr (F.bits == 2) return bits_of<2, Q % 4 * 2, 0>(lines + Q / 4 * kCodeLineBytes);
    if constexpr (F.bits == 3) {
      return V::bit_or(bits_of<2, Q % 4 * 2, 0>(lines + Q / 4 * kCodeLineBytes),
                       bits_of<1, Q, 2>(lines + 2 * kCodeLineBytes));
    }
    if constexpr (F.bits == 5) {
      return V::bit_or(nibble_code<Q>(lines), bits_of<1, Q, 4>(lines + 4 * kCodeLineBytes));
    }
    if constexpr (F.bits == 6) {
      return V::bit_or(nibble_code<Q>(lines), bits_of<2, Q % 4 * 2, 4>(lines + (4 + Q / 4) * kCodeLineBytes));
    }
  }

  /// The unsigned bytes that are multiplied.
  template <int Q>
  NIBBLE_INLINE Int quad(size_t group, int r) const {
    constexpr int kOffset = Arithmetic<V, F>::kOffset;
    const Int q = codes<Q>(group, r);
    if constexpr (F.kind == CodeKind::mxfp4) return V::look_up(V::byte_table(kMXFP4Values, kOffset), q);
    if constexpr (F.kind == CodeKind::iq4) return V::look_up(V::byte_table(kIQ4Values, kOffset), q);
    if constexpr (F.kind == CodeKind::signed8) return V::bit_xor(q, V::set8(kOffset));
    return q;
  }

  /// Columns 0 and 2 (Odd = 0) or 1 and 3 (Odd = 1) of the quad as 16-bit pairs.
  template <int Q, int Odd>
  NIBBLE_INLINE Int pairs(size_t group, int r) const {
    Int q = codes<Q>(group, r);
    if constexpr (F.kind == CodeKind::iq4) q = V::look_up(V::byte_table(kIQ4Values, 0), q);
    if constexpr (Odd == 0) q = V::template shift_left16<8>(q);
    return V::template shift_right_signed16<8>(q);
  }

  /// Scales of the rows for part `part` of the group (one of two where groups have 16 columns).
  NIBBLE_INLINE Float scale(size_t group, int part, int r) const {
    const uint8_t* b = block(group);
    const int row = r * V::kRows;
    if constexpr (F.scales == ScaleKind::channel) return V::load_float(header_ + row * 4);
    if constexpr (F.scales == ScaleKind::exponent) return V::load_exponent(b + row);
    if constexpr (F.scales == ScaleKind::plain || F.scales == ScaleKind::plain_min)
      return V::load_half(b + row * 2);
    const size_t index = group % kGroups32 * (32 / F.group) + part;
    if constexpr (F.scales == ScaleKind::super) {
      return V::mul(V::load_half(b + row * 2), V::load_int8(b + kPanelRows * (2 + index) + row));
    }
    const uint8_t* scales = b + kPanelRows * (4 + index) + row;
    if constexpr (F.scales == ScaleKind::super_min) {
      return V::mul(V::load_half(b + row * 2), V::load_uint8(scales));
    }
    if constexpr (F.scales == ScaleKind::super_nibbles) {
      return V::mul(V::load_half(b + row * 2), V::load_low_nibbles(scales));
    }
  }

  NIBBLE_INLINE Float min(size_t group, int part, int r) const {
    const uint8_t* b = block(group) + kPanelRows * 2;
    const int row = r * V::kRows;
    if constexpr (F.scales == ScaleKind::plain_min) return V::load_half(b + row * 2);
    const size_t index = group % kGroups32 * (32 / F.group) + part;
    const uint8_t* scales = b + kPanelRows * (2 + index) + row;
    const Float dmin = V::load_half(b + row * 2);
    if constexpr (F.scales == ScaleKind::super_min) {
      return V::negate(V::mul(dmin, V::load_uint8(scales + kPanelRows * F.groups())));
    }
    if constexpr (F.scales == ScaleKind::super_nibbles) {
      return V::negate(V::mul(dmin, V::load_high_nibbles(scales)));
    }
  }

 private:
  static constexpr size_t kGroups32 = F.block / 32;

  NIBBLE_INLINE const uint8_t* block(size_t group) const {
    return blocks_ + group / kGroups32 * F.block_bytes();
  }

  /// Width bits from position From of each byte, moved to position To.
  template <int Width, int From, int To>
  static NIBBLE_INLINE Int bits_of(const uint8_t* line) {
    Int v = V::load(line);
    if constexpr (From > To) v = V::template shift_right16<From - To>(v);
    if constexpr (From < To) v = V::template shift_left16<To - From>(v);
    return V::bit_and(v, V::set8(((1 << Width) - 1) << To));
  }
  template <int Q>
  static NIBBLE_INLINE Int nibble_code(const uint8_t* lines) {
    return bits_of<4, Q % 2 * 4, 0>(lines + Q / 2 * kCodeLineBytes);
  }

  const uint8_t* header_;
  const uint8_t* blocks_;
};

/// A panel in scratch memory, unpacked to what the multiplications take: per group of 32 columns the lines
/// of quads (or of 16-bit pairs), then float32 scales, then mins. U is an unpacked_format.
template <class V, PackedFormat U>
class UnpackedPanel {
 public:
  using Int = typename V::Int;
  using Float = typename V::Float;
  static constexpr int kParts = 32 / U.group;
  static constexpr size_t kCodeBytes = 8 * kCodeLineBytes * (Arithmetic<V, U>::kWide ? 2 : 1);
  static constexpr size_t kFloatBytes = kPanelRows * sizeof(float);
  static constexpr size_t kGroupBytes = kCodeBytes + kParts * kFloatBytes * (U.has_min() ? 2 : 1);

  explicit UnpackedPanel(std::byte* scratch) : bytes_(reinterpret_cast<uint8_t*>(scratch)) {}

  /// Takes groups [first, first + groups) of a packed panel.
  template <class Packed>
  void fill(const Packed& packed, size_t first, size_t groups) const {
    for (size_t g = 0; g < groups; ++g) {
      uint8_t* out = bytes_ + g * kGroupBytes;
      for (int r = 0; r < V::kRowVectors; ++r) fill_group(packed, first + g, r, out + r * V::kBytes);
    }
  }

  template <int Q>
  NIBBLE_INLINE Int quad(size_t group, int r) const {
    return V::load(bytes_ + group * kGroupBytes + Q * kCodeLineBytes + r * V::kBytes);
  }
  template <int Q, int Odd>
  NIBBLE_INLINE Int pairs(size_t group, int r) const {
    return V::load(bytes_ + group * kGroupBytes + (2 * Q + Odd) * kCodeLineBytes + r * V::kBytes);
  }
  NIBBLE_INLINE Float scale(size_t group, int part, int r) const {
    return V::load_float(bytes_ + group * kGroupBytes + kCodeBytes + part * kFloatBytes + r * V::kBytes);
  }
  NIBBLE_INLINE Float min(size_t group, int part, int r) const {
    return V::load_float(bytes_ + group * kGroupBytes + kCodeBytes + (kParts + part) * kFloatBytes +
                         r * V::kBytes);
  }

 private:
  template <class Packed>
  NIBBLE_INLINE void fill_group(const Packed& packed, size_t group, int r, uint8_t* out) const {
    unroll<8>([&]<int Q>() {
      if constexpr (Arithmetic<V, U>::kWide) {
        V::store(out + 2 * Q * kCodeLineBytes, packed.template pairs<Q, 0>(group, r));
        V::store(out + (2 * Q + 1) * kCodeLineBytes, packed.template pairs<Q, 1>(group, r));
      } else {
        V::store(out + Q * kCodeLineBytes, packed.template quad<Q>(group, r));
      }
    });
    for (int part = 0; part < kParts; ++part) {
      V::store_float(out + kCodeBytes + part * kFloatBytes, packed.scale(group, part, r));
      if constexpr (U.has_min()) {
        V::store_float(out + kCodeBytes + (kParts + part) * kFloatBytes, packed.min(group, part, r));
      }
    }
  }

  uint8_t* bytes_;
};

/// Products of V::kRowVectors * V::kRows rows with T tokens over a range of groups.
template <class V, PackedFormat F, class Panel, int T>
class IntegerTile {
 public:
  using Int = typename V::Int;
  using Float = typename V::Float;
  static constexpr int R = V::kRowVectors;

  /// acc[t][r] += the products of the panel's groups [0, groups) with activation groups from `first` on.
  static void run(const Panel& panel, size_t first, size_t groups, const ActivationArgs& x, size_t token,
                  Float (&acc)[T][R]) {
    for (size_t g = 0; g < groups; ++g) {
      unroll<kParts>([&]<int Part>() {
        Int sum[T][R];
        dot<Part>(panel, g, x, token, first + g, sum);
        scale<Part>(panel, g, x, token, first + g, sum, acc);
      });
    }
  }

 private:
  static constexpr int kParts = 32 / F.group, kQuads = 8 / kParts, kOffset = Arithmetic<V, F>::kOffset;

  /// Quads whose VPMADDUBSW results, each up to 2 * 127 * largest, add up within 16 bits.
  static constexpr int quads_per_sum() {
    int quads = kQuads;
    while (quads * 2 * 127 * F.largest > 32767) quads /= 2;
    return quads;
  }

  template <int Part>
  static NIBBLE_INLINE void dot(const Panel& panel, size_t panel_group, const ActivationArgs& x, size_t token,
                                size_t group, Int (&sum)[T][R]) {
    if constexpr (V::kDotProduct) {
      dot_product<Part>(panel, panel_group, x, token, group, sum);
    } else if constexpr (Arithmetic<V, F>::kWide) {
      dot_wide(panel, panel_group, x, token, group, sum);
    } else {
      dot_narrow<Part>(panel, panel_group, x, token, group, sum);
    }
  }

  template <int Part>
  static NIBBLE_INLINE void dot_product(const Panel& panel, size_t panel_group, const ActivationArgs& x,
                                        size_t token, size_t group, Int (&sum)[T][R]) {
    const int8_t* q = x.q + token * x.padded_cols + group * 32 + Part * kQuads * 4;
    unroll<kQuads>([&]<int I>() {
      Int w[R];
      for (int r = 0; r < R; ++r) w[r] = panel.template quad<Part * kQuads + I>(panel_group, r);
      for (int t = 0; t < T; ++t) {
        const Int a = V::broadcast32(q + t * x.padded_cols + I * 4);
        for (int r = 0; r < R; ++r) sum[t][r] = V::dot(I == 0 ? V::zero() : sum[t][r], w[r], a);
      }
    });
  }

  static NIBBLE_INLINE void dot_wide(const Panel& panel, size_t panel_group, const ActivationArgs& x,
                                     size_t token, size_t group, Int (&sum)[T][R]) {
    const int16_t* q = x.q16 + token * x.padded_cols + group * 32;
    unroll<16>([&]<int I>() {
      Int w[R];
      for (int r = 0; r < R; ++r) w[r] = panel.template pairs<I / 2, I % 2>(panel_group, r);
      for (int t = 0; t < T; ++t) {
        const Int a = V::broadcast32(q + t * x.padded_cols + I * 2);
        for (int r = 0; r < R; ++r) {
          const Int product = V::madd(w[r], a);
          sum[t][r] = I == 0 ? product : V::add32(sum[t][r], product);
        }
      }
    });
  }

  template <int Part>
  static NIBBLE_INLINE void dot_narrow(const Panel& panel, size_t panel_group, const ActivationArgs& x,
                                       size_t token, size_t group, Int (&sum)[T][R]) {
    constexpr int kRun = quads_per_sum();
    const int8_t* q = x.q + token * x.padded_cols + group * 32 + Part * kQuads * 4;
    Int sum16[T][R];
    unroll<kQuads>([&]<int I>() {
      Int w[R];
      for (int r = 0; r < R; ++r) w[r] = panel.template quad<Part * kQuads + I>(panel_group, r);
      for (int t = 0; t < T; ++t) {
        const Int a = V::broadcast32(q + t * x.padded_cols + I * 4);
        for (int r = 0; r < R; ++r) {
          const Int product = V::maddubs(w[r], a);
          sum16[t][r] = I % kRun == 0 ? product : V::add16(sum16[t][r], product);
          if constexpr (I % kRun == kRun - 1) {
            const Int wide = V::madd(sum16[t][r], V::set16(1));
            sum[t][r] = I < kRun ? wide : V::add32(sum[t][r], wide);
          }
        }
      }
    });
  }

  template <int Part>
  static NIBBLE_INLINE void scale(const Panel& panel, size_t panel_group, const ActivationArgs& x,
                                  size_t token, size_t group, Int (&sum)[T][R], Float (&acc)[T][R]) {
    const size_t groups = x.padded_cols / 32;
    const int32_t* sums = (kParts == 2 ? x.sums16 : x.sums32) + (token * groups + group) * kParts + Part;
    const float* scales = x.scale + token * groups + group;
    Float w_scale[R], w_min[R];
    for (int r = 0; r < R; ++r) {
      w_scale[r] = panel.scale(panel_group, Part, r);
      if constexpr (F.has_min()) w_min[r] = panel.min(panel_group, Part, r);
    }
    for (int t = 0; t < T; ++t) {
      const Float a_scale = V::broadcast_float(scales + t * groups);
      Int correction;
      Float a_sum;
      if constexpr (kOffset != 0)
        correction = V::template multiply<kOffset>(V::broadcast32(sums + t * groups * kParts));
      if constexpr (F.has_min())
        a_sum = V::mul(V::to_float(V::broadcast32(sums + t * groups * kParts)), a_scale);
      for (int r = 0; r < R; ++r) {
        Int product = sum[t][r];
        if constexpr (kOffset != 0) product = V::sub32(product, correction);
        acc[t][r] = V::fma(V::to_float(product), V::mul(w_scale[r], a_scale), acc[t][r]);
        if constexpr (F.has_min()) acc[t][r] = V::fma(w_min[r], a_sum, acc[t][r]);
      }
    }
  }
};

/// Products of an unpacked panel with tokens [begin, end). `first` is the first of the panel's `groups` in
/// the matrix; before later ones the accumulators wait in y. One function for all formats that unpack alike.
template <class V, PackedFormat U>
__attribute__((noinline)) void multiply_unpacked(const UnpackedPanel<V, U>& panel, size_t first,
                                                 size_t groups, const ActivationArgs& x, size_t begin,
                                                 size_t end, const Outputs<V>& y) {
  for_each_tile<V::kIntegerTokens>(begin, end, [&]<int T>(size_t token) {
    typename V::Float acc[T][V::kRowVectors];
    first == 0 ? set_zero<V>(acc) : y.load(token, acc);
    IntegerTile<V, U, UnpackedPanel<V, U>, T>::run(panel, first, groups, x, token, acc);
    y.store(token, acc);
  });
}

template <class V, PackedFormat F>
class IntegerMatmul {
 public:
  static void run(const MatmulArgs& args) {
    const size_t tokens = args.activations.tokens, panel_bytes = F.panel_bytes(args.cols);
    const size_t block = tokens == 1 ? 1 : args.token_block;
    for (size_t begin = 0; begin < tokens; begin += block) {
      const size_t end = tokens - begin < block ? tokens : begin + block;
      for (size_t row = args.row_begin; row < args.row_end; row += kPanelRows) {
        const Packed panel(reinterpret_cast<const uint8_t*>(args.packed) + row / kPanelRows * panel_bytes);
        const Outputs<V> y = Outputs<V>::of_panel(args, row);
        tokens == 1 ? run_one(args.activations, panel, y) : run_many(args, panel, begin, end, y);
      }
    }
  }

 private:
  using Packed = PackedPanel<V, F>;
  using Unpacked = UnpackedPanel<V, unpacked_format(F)>;

  static void run_one(const ActivationArgs& x, const Packed& panel, const Outputs<V>& y) {
    typename V::Float acc[1][V::kRowVectors];
    set_zero<V>(acc);
    IntegerTile<V, F, Packed, 1>::run(panel, 0, x.padded_cols / 32, x, 0, acc);
    y.store(0, acc);
  }

  /// Columns in blocks that fit the scratch memory.
  static void run_many(const MatmulArgs& args, const Packed& packed, size_t begin, size_t end,
                       const Outputs<V>& y) {
    const Unpacked panel(args.scratch);
    const size_t groups = args.activations.padded_cols / 32;
    constexpr size_t kMost = kMatmulScratchBytes / Unpacked::kGroupBytes;
    for (size_t first = 0; first < groups; first += kMost) {
      const size_t count = groups - first < kMost ? groups - first : kMost;
      panel.fill(packed, first, count);
      multiply_unpacked(panel, first, count, args.activations, begin, end, y);
    }
  }
};

}  // namespace nibble::simd
