#pragma once

#include "kernels/simd/packed_panel.h"

namespace nibble::simd {

/// What a panel of F is once its codes are taken out of their bits and its scales are float32: formats that
/// agree in this share the code that multiplies them.
template <class V, PackedFormat F>
constexpr PackedFormat unpacked_format() {
  constexpr bool kNarrow = products_of<V, F>() == Products::narrow;
  return {kNarrow ? CodeKind::offset : CodeKind::signed8,
          8,
          uint8_t(kNarrow ? F.offset : 0),
          uint8_t(kNarrow ? F.largest : 0),
          F.group,
          uint32_t(step_columns(F)),
          F.has_min() ? ScaleKind::plain_min : ScaleKind::plain};
}

/// Panels side by side in scratch memory, unpacked to what the multiplications take. U is an
/// unpacked_format. Per step of columns: the lines of quads (or of 16-bit pairs), each of all row vectors;
/// then for each group of columns the float32 scales, the mins where there are any, and what the sums start
/// from. Row vector r is of panel r / V::kRowVectors.
template <class V, PackedFormat U>
class UnpackedPanels {
 public:
  using Int = typename V::Int;
  using Float = typename V::Float;
  static constexpr PackedFormat kFormat = U;
  static constexpr Products kProducts = products_of<V, U>();
  /// What unsigned codes are above the weights.
  static constexpr int kOffset = U.offset;
  static constexpr bool kSignedWeights = kProducts == Products::dot;
  static constexpr int kPanels = V::kTilePanels;
  static constexpr int kVectors = kPanels * V::kRowVectors;
  static constexpr int kParts = step_columns(U) / U.group, kChunks = step_columns(U) / 32;
  static constexpr size_t kLineBytes = kPanels * kCodeLineBytes;
  static constexpr size_t kChunkBytes = 8 * kLineBytes * (kProducts == Products::wide ? 2 : 1);
  static constexpr size_t kPartBytes =
      kLineBytes * (1 + (U.has_min() ? 1 : 0) + (kProducts == Products::dot ? 1 : 0));
  static constexpr size_t kStepBytes = kChunks * kChunkBytes + kParts * kPartBytes;

  explicit UnpackedPanels(std::byte* scratch) : bytes_(reinterpret_cast<uint8_t*>(scratch)) {}

  /// Takes steps [first, first + steps) of packed panels [kPanels].
  template <class Packed>
  void fill(const Packed* packed, size_t first, size_t steps) const {
    for (size_t s = 0; s < steps; ++s) {
      for (int r = 0; r < kVectors; ++r) {
        fill_step(packed[r / V::kRowVectors], first + s, r % V::kRowVectors,
                  bytes_ + s * kStepBytes + r * V::kBytes);
      }
    }
  }

  template <int Q>
  NIBBLE_INLINE Int quad(size_t step, int chunk, int r) const {
    return V::load(line(step, chunk, Q, r));
  }
  template <int Q, int Odd>
  NIBBLE_INLINE Int pairs(size_t step, int chunk, int r) const {
    return V::load(line(step, chunk, 2 * Q + Odd, r));
  }
  NIBBLE_INLINE Float scale(size_t step, int part, int r) const {
    return V::load_float(of_part(step, part, 0, r));
  }
  NIBBLE_INLINE Float min(size_t step, int part, int r) const {
    return V::load_float(of_part(step, part, 1, r));
  }
  /// They are near already.
  NIBBLE_INLINE void prefetch(size_t) const {}
  /// Signed weights meet activations that are moved up by 128: -128 times the weights' sum.
  NIBBLE_INLINE Int start(size_t step, int part, int r) const {
    return V::load(of_part(step, part, kStart, r));
  }

 private:
  static constexpr int kStart = U.has_min() ? 2 : 1;

  NIBBLE_INLINE const uint8_t* line(size_t step, int chunk, int index, int r) const {
    return bytes_ + step * kStepBytes + chunk * kChunkBytes + index * kLineBytes + r * V::kBytes;
  }
  NIBBLE_INLINE const uint8_t* of_part(size_t step, int part, int kind, int r) const {
    return bytes_ + step * kStepBytes + kChunks * kChunkBytes + part * kPartBytes + kind * kLineBytes +
           r * V::kBytes;
  }

  /// One row vector of a step; `out` is its place in the first line.
  template <class Packed>
  NIBBLE_INLINE void fill_step(const Packed& packed, size_t step, int r, uint8_t* out) const {
    Int starts[kParts];
    for (Int& start : starts) start = V::zero();
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      fill_chunk(packed, step * kChunks + chunk, r, out + chunk * kChunkBytes, starts);
    }
    uint8_t* to = out + kChunks * kChunkBytes;
    for (int part = 0; part < kParts; ++part, to += kPartBytes) {
      const size_t group = step * kParts + part;
      V::store_float(to, packed.scale(group, r));
      if constexpr (U.has_min()) V::store_float(to + kLineBytes, packed.min(group, r));
      if constexpr (kProducts == Products::dot)
        V::store(to + kStart * kLineBytes, V::sub32(V::zero(), starts[part]));
    }
  }

  template <class Packed>
  NIBBLE_INLINE void fill_chunk(const Packed& packed, size_t chunk, int r, uint8_t* out,
                                Int (&starts)[kParts]) const {
    unroll<8>([&]<int Q>() NIBBLE_INLINE_LAMBDA {
      if constexpr (kProducts == Products::wide) {
        V::store(out + 2 * Q * kLineBytes, packed.template pairs<Q, 0>(chunk, r));
        V::store(out + (2 * Q + 1) * kLineBytes, packed.template pairs<Q, 1>(chunk, r));
      } else if constexpr (kProducts == Products::narrow) {
        V::store(out + Q * kLineBytes, packed.template unsigned_quad<Q>(chunk, r));
      } else {
        const Int w = packed.template signed_quad<Q>(chunk, r);
        V::store(out + Q * kLineBytes, w);
        Int& start = starts[kParts == 1 ? 0 : Q * kParts / 8];
        start = V::dot(start, V::set8(0x80), w);
      }
    });
  }

  uint8_t* bytes_;
};

}  // namespace nibble::simd
