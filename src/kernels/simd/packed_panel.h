#pragma once

#include "kernels/matmul_args.h"
#include "kernels/packed_format.h"
#include "kernels/simd/unroll.h"
#include "tensor/blocks.h"

namespace nibble::simd {

/// How products of integers are made.
enum class Products {
  dot,     ///< VPDPBUSD: unsigned times signed bytes, four to a 32-bit lane
  narrow,  ///< VPMADDUBSW: small unsigned weights times signed activations, summed in 16 bits first
  wide,    ///< VPMADDWD: signed bytes as 16-bit pairs, since their products overflow VPMADDUBSW's sums
};

template <class V, PackedFormat F>
constexpr Products products_of() {
  return V::kDotProduct ? Products::dot : F.wide() ? Products::wide : Products::narrow;
}

/// Quads whose VPMADDUBSW results, each up to 2 * 127 * largest, add up within 16 bits.
template <PackedFormat F>
constexpr int narrow_run(int quads) {
  while (quads * 2 * 127 * F.largest > 32767) quads /= 2;
  return quads;
}

template <CodeKind Kind>
constexpr const int8_t (&look_up_table())[16] {
  if constexpr (Kind == CodeKind::iq4) return kIQ4Values;
  if constexpr (Kind == CodeKind::mxfp4) return kMXFP4Values;
  if constexpr (Kind == CodeKind::nf4) return kNF4Bytes;
  if constexpr (Kind == CodeKind::fp4) return kFP4Bytes;
}

/// Columns of a step of the loops over a row: those that share a scale of the activations.
constexpr int step_columns(PackedFormat format) {
  return int(format.activation_groups().scale);
}

/// How far ahead of its products a single pass over packed weights asks for them. Left to the processor,
/// which stops at the end of a page, a core of Emerald Rapids decodes at half of what it can read; 4, 8 and
/// 16 KB ahead two cores reach 87%, 91% and 94%, and the nearer cache instead of the second-level one is
/// worse.
constexpr size_t kPrefetchBytes = 16384;
/// How far ahead the second-level cache gives them to the first-level one: the products wait less, and the
/// whole 7B shape in Q4_0 decodes 4% to 6% faster; 512 and 2048 bytes ahead gain less.
constexpr size_t kNearPrefetchBytes = 1024;

/// A panel as the bytes of Linear's packed matrix. `chunk` counts 32 columns, `group` those of a scale; r is
/// one of the panel's V::kRowVectors vectors of rows.
template <class V, PackedFormat F>
class PackedPanel {
 public:
  using Int = typename V::Int;
  using Float = typename V::Float;

  PackedPanel() = default;
  /// From block `first` of its columns on.
  explicit PackedPanel(const uint8_t* panel, size_t first = 0)
      : header_(panel), blocks_(panel + F.header_bytes() + first * F.block_bytes()) {}

  /// What the unsigned codes of unsigned_quad are above the weights. VPDPBUSD takes no signed weights beside
  /// signed activations, so that they are moved up.
  static constexpr int kOffset =
      products_of<V, F>() == Products::dot && F.wide() && !F.folded() ? 128 : F.offset;

  /// Quad Q of a chunk as unsigned codes, kOffset above the weights (folded formats: above their factors).
  template <int Q>
  NIBBLE_INLINE Int unsigned_quad(size_t chunk, int r) const {
    const Int q = codes<Q>(chunk, r);
    if constexpr (F.looked_up()) return V::look_up(V::byte_table(look_up_table<F.kind>(), kOffset), q);
    if constexpr (kOffset != F.offset) return V::bit_xor(q, V::set8(kOffset));
    return q;
  }

  /// Quad Q of a chunk as the weights, signed bytes.
  template <int Q>
  NIBBLE_INLINE Int signed_quad(size_t chunk, int r) const {
    const Int q = codes<Q>(chunk, r);
    if constexpr (F.looked_up()) return V::look_up(V::byte_table(look_up_table<F.kind>(), 0), q);
    if constexpr (F.folded()) return fold(q, folded_scales(2 * chunk + Q / 4, r));
    if constexpr (F.offset != 0) return V::sub8(q, V::set8(F.offset));
    return q;
  }

  /// Columns 0 and 2 (Odd = 0) or 1 and 3 (Odd = 1) of the quad as 16-bit pairs.
  template <int Q, int Odd>
  NIBBLE_INLINE Int pairs(size_t chunk, int r) const {
    Int q = signed_quad<Q>(chunk, r);
    if constexpr (Odd == 0) q = V::template shift_left16<8>(q);
    return V::template shift_right_signed16<8>(q);
  }

  /// Scales of the rows.
  NIBBLE_INLINE Float scale(size_t group, int r) const {
    const uint8_t* b = block(group / F.groups());
    const int row = r * V::kRows;
    if constexpr (F.scales == ScaleKind::channel) return V::load_float(header_ + row * 4);
    if constexpr (F.scales == ScaleKind::exponent) return V::load_exponent(b + row);
    if constexpr (F.scales == ScaleKind::plain_float) return V::load_float(b + row * 4);
    if constexpr (F.scales == ScaleKind::plain || F.scales == ScaleKind::plain_min || F.folded())
      return V::load_half(b + row * 2);
    const size_t index = group % F.groups();
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

  NIBBLE_INLINE Float min(size_t group, int r) const {
    const uint8_t* b = block(group / F.groups()) + kPanelRows * 2;
    const int row = r * V::kRows;
    if constexpr (F.scales == ScaleKind::plain_min) return V::load_half(b + row * 2);
    const size_t index = group % F.groups();
    const uint8_t* scales = b + kPanelRows * (2 + index) + row;
    const Float dmin = V::load_half(b + row * 2);
    if constexpr (F.scales == ScaleKind::super_min) {
      return V::negate(V::mul(dmin, V::load_uint8(scales + kPanelRows * F.groups())));
    }
    if constexpr (F.scales == ScaleKind::super_nibbles) {
      return V::negate(V::mul(dmin, V::load_high_nibbles(scales)));
    }
  }

  /// Of a folded format, the integer scales of group `index` of kFoldedColumns columns.
  NIBBLE_INLINE Float integer_scale(size_t index, int r) const {
    return V::load_int8(folded_scales(index, r));
  }

  /// Asks for the Columns columns that lie kPrefetchBytes behind a step, where they lie before `end`, and for
  /// the nearer ones.
  template <size_t Columns>
  NIBBLE_INLINE void prefetch(size_t step, const uint8_t* end) const {
    constexpr size_t kBytes = F.block_bytes() * Columns / F.block;
    const uint8_t* here = blocks_ + step * kBytes;
    if (here + kPrefetchBytes >= end) return;
    unroll<int((kBytes + 63) / 64)>([&]<int Line>() NIBBLE_INLINE_LAMBDA {
      __builtin_prefetch(here + kNearPrefetchBytes + 64 * Line, 0, 3);
      __builtin_prefetch(here + kPrefetchBytes + 64 * Line, 0, 2);
    });
  }

 private:
  NIBBLE_INLINE const uint8_t* block(size_t index) const { return blocks_ + index * F.block_bytes(); }

  /// The stored codes of a quad.
  template <int Q>
  NIBBLE_INLINE Int codes(size_t chunk, int r) const {
    constexpr size_t kChunks = F.block / 32;
    const uint8_t* lines =
        block(chunk / kChunks) + F.scale_bytes() + chunk % kChunks * F.group32_bytes() + r * V::kBytes;
    if constexpr (F.bits == 8) return V::load(lines + Q * kCodeLineBytes);
    if constexpr (F.bits == 4) return nibble_code<Q>(lines);
    if constexpr (F.bits == 2) return bits_of<2, Q % 4 * 2, 0>(lines + Q / 4 * kCodeLineBytes);
    if constexpr (F.bits == 3 || F.bits == 5 || F.bits == 6) return joined_parts<Q>(lines);
  }

  /// A quad whose codes lie where code_parts says.
  template <int Q>
  static NIBBLE_INLINE Int joined_parts(const uint8_t* lines) {
    constexpr auto& kParts = code_parts<F.bits>();
    Int code = V::zero();
    unroll<int(sizeof(kParts) / sizeof(kParts[0]))>([&]<int I>() NIBBLE_INLINE_LAMBDA {
      constexpr CodePart kPart = kParts[I];
      if constexpr (kPart.quad == Q) {
        const Int bits = bits_of<kPart.bits, kPart.at, kPart.from>(lines + kPart.line * kCodeLineBytes);
        code = kPart.from == 0 ? bits : V::bit_or(code, bits);
      }
    });
    return code;
  }

  NIBBLE_INLINE const uint8_t* folded_scales(size_t index, int r) const {
    constexpr size_t kGroups = F.block / kFoldedColumns;
    return block(index / kGroups) + kPanelRows * (2 + index % kGroups) + r * V::kRows;
  }

  /// scale * (code - offset) modulo 256, which is the product, since that fits a byte.
  static NIBBLE_INLINE Int fold(Int codes, const uint8_t* scales) {
    const Int scale = V::load_int8_pairs(scales), low = V::set16(0xff);
    const Int odd = V::mul16(V::template shift_right16<8>(codes), V::template shift_left16<8>(scale));
    const Int product = V::bit_or(V::bit_and(V::mul16(codes, scale), low), odd);
    const Int even_offset = V::bit_and(V::mul16(scale, V::set16(F.offset)), low);
    return V::sub8(product, V::bit_or(even_offset, V::mul16(scale, V::set16(F.offset << 8))));
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

  const uint8_t* header_ = nullptr;
  const uint8_t* blocks_ = nullptr;
};

/// A packed panel step by step, as IntegerTile reads it: the codes are taken apart in registers.
template <class V, PackedFormat F>
class PackedSteps {
 public:
  using Int = typename V::Int;
  using Float = typename V::Float;
  static constexpr PackedFormat kFormat = F;
  static constexpr int kVectors = V::kRowVectors, kOffset = PackedPanel<V, F>::kOffset;
  static constexpr bool kSignedWeights = false;

  /// `end` is that of the weights that are read in one pass.
  PackedSteps(const PackedPanel<V, F>& panel, const uint8_t* end) : panel_(panel), end_(end) {}

  template <int Q>
  NIBBLE_INLINE Int quad(size_t step, int chunk, int r) const {
    return panel_.template unsigned_quad<Q>(step * kChunks + chunk, r);
  }
  template <int Q, int Odd>
  NIBBLE_INLINE Int pairs(size_t step, int chunk, int r) const {
    return panel_.template pairs<Q, Odd>(step * kChunks + chunk, r);
  }
  NIBBLE_INLINE Float scale(size_t step, int part, int r) const {
    return panel_.scale(step * kParts + part, r);
  }
  NIBBLE_INLINE Float min(size_t step, int part, int r) const { return panel_.min(step * kParts + part, r); }
  NIBBLE_INLINE Float integer_scale(size_t step, int group, int r) const {
    return panel_.integer_scale(step * kFolded + group, r);
  }

  NIBBLE_INLINE void prefetch(size_t step) const { panel_.template prefetch<kChunks * 32>(step, end_); }

 private:
  static constexpr int kChunks = step_columns(F) / 32, kParts = step_columns(F) / F.group;
  static constexpr int kFolded = step_columns(F) / kFoldedColumns;

  PackedPanel<V, F> panel_;
  const uint8_t* end_;
};

}  // namespace nibble::simd
