#pragma once

#include "kernels/matmul_args.h"
#include "kernels/packed_format.h"
#include "kernels/simd/tiles.h"
#include "kernels/simd/unroll.h"
#include "tensor/blocks.h"

/// Matrix products of packed float weights with float32 activations, for any vector type V. As in
/// integer_kernel.h one lane is one row, one token reads the packed panel and several an unpacked one, with
/// the same operations: in blocks of kFloatBlock columns a chain of fused multiply-adds in the order of
/// the columns, then one that adds the block times its scale to the accumulator.
namespace nibble::simd {

/// A panel as the bytes of Linear's packed matrix.
template <class V, FloatFormat F>
struct PackedFloatPanel {
  using Float = typename V::Float;
  static constexpr size_t kBlockBytes = float_block_bytes(F);
  static constexpr bool kScaled = is_four_bit(F);
  const uint8_t* bytes;

  /// Column I of the eight from `col` on (a multiple of 8), for row vector r.
  template <int I>
  NIBBLE_INLINE Float weight(size_t col, int r) const {
    const uint8_t* block = bytes + col / kFloatBlock * kBlockBytes;
    const size_t inside = col % kFloatBlock;
    if constexpr (F == FloatFormat::f32)
      return V::load_float(block + ((inside + I) * kPanelRows + r * V::kRows) * 4);
    if constexpr (F == FloatFormat::f16)
      return V::load_half(block + ((inside + I) * kPanelRows + r * V::kRows) * 2);
    if constexpr (F == FloatFormat::bf16)
      return V::load_bfloat16(block + ((inside + I) * kPanelRows + r * V::kRows) * 2);
    if constexpr (kScaled) {
      const uint8_t* words = block + kPanelRows * sizeof(float) + inside / 8 * kCodeLineBytes + r * V::kBytes;
      return V::template look_up_float<I>(F == FloatFormat::nf4 ? kNF4Values : kFP4Values, V::load(words));
    }
  }
  NIBBLE_INLINE Float scale(size_t col, int r) const {
    return V::load_float(bytes + col / kFloatBlock * kBlockBytes + r * V::kBytes);
  }
};

/// A panel as float32: per block the scales where there are any, then its columns. Packed float32 without
/// scales has this layout already.
template <class V, bool Scaled>
struct UnpackedFloatPanel {
  using Float = typename V::Float;
  static constexpr bool kScaled = Scaled;
  static constexpr size_t kBlockFloats = (kFloatBlock + (Scaled ? 1 : 0)) * kPanelRows;
  const float* floats;

  template <int I>
  NIBBLE_INLINE Float weight(size_t col, int r) const {
    const float* block = floats + col / kFloatBlock * kBlockFloats;
    return V::load_float(block + (col % kFloatBlock + (Scaled ? 1 : 0) + I) * kPanelRows + r * V::kRows);
  }
  NIBBLE_INLINE Float scale(size_t col, int r) const {
    return V::load_float(floats + col / kFloatBlock * kBlockFloats + r * V::kRows);
  }
};

/// Unpacks columns [first, first + cols); first is a multiple of kFloatBlock.
template <class V, FloatFormat F>
UnpackedFloatPanel<V, is_four_bit(F)> unpack(const PackedFloatPanel<V, F>& packed, size_t first, size_t cols,
                                             float* floats) {
  using Panel = UnpackedFloatPanel<V, is_four_bit(F)>;
  for (size_t col = 0; col < cols; col += 8) {
    float* block = floats + col / kFloatBlock * Panel::kBlockFloats;
    float* out = block + (col % kFloatBlock + (Panel::kScaled ? 1 : 0)) * kPanelRows;
    for (int r = 0; r < V::kRowVectors; ++r) {
      if (Panel::kScaled && col % kFloatBlock == 0)
        V::store_float(block + r * V::kRows, packed.scale(first + col, r));
      unroll<8>([&]<int I>() {
        V::store_float(out + I * kPanelRows + r * V::kRows, packed.template weight<I>(first + col, r));
      });
    }
  }
  return {floats};
}

template <class V, class Panel, int T>
class FloatTile {
 public:
  using Float = typename V::Float;
  static constexpr int R = V::kRowVectors;

  /// acc[t][r] += the products of the panel's columns [0, cols) with activation columns from `first` on.
  static void run(const Panel& panel, size_t first, size_t cols, const ActivationArgs& x, size_t token,
                  Float (&acc)[T][R]) {
    const float* activations = x.x + token * x.cols + first;
    for (size_t block = 0; block < cols; block += kFloatBlock) {
      const size_t end = cols - block < kFloatBlock ? cols : block + kFloatBlock;
      Float part[T][R];
      set_zero<V>(part);
      size_t col = block;
      for (; col + 8 <= end; col += 8) {
        unroll<8>([&]<int I>() { add_column<I>(panel, col, activations + col + I, x.cols, part); });
      }
      unroll<7>([&]<int I>() {
        if (col + I < end) add_column<I>(panel, col, activations + col + I, x.cols, part);
      });
      for (int r = 0; r < R; ++r) {
        const Float scale = Panel::kScaled ? panel.scale(block, r) : V::set_float(1.0f);
        for (int t = 0; t < T; ++t) acc[t][r] = V::fma(part[t][r], scale, acc[t][r]);
      }
    }
  }

 private:
  template <int I>
  static NIBBLE_INLINE void add_column(const Panel& panel, size_t col, const float* x, size_t stride,
                                       Float (&part)[T][R]) {
    Float w[R];
    for (int r = 0; r < R; ++r) w[r] = panel.template weight<I>(col, r);
    for (int t = 0; t < T; ++t) {
      const Float a = V::broadcast_float(x + t * stride);
      for (int r = 0; r < R; ++r) part[t][r] = V::fma(w[r], a, part[t][r]);
    }
  }
};

/// Products of an unpacked panel with tokens [begin, end), as multiply_unpacked of the integer kernels.
template <class V, bool Scaled>
__attribute__((noinline)) void multiply_unpacked(const UnpackedFloatPanel<V, Scaled>& panel, size_t first,
                                                 size_t cols, const ActivationArgs& x, size_t begin,
                                                 size_t end, const Outputs<V>& y) {
  for_each_tile<V::kFloatTokens>(begin, end, [&]<int T>(size_t token) {
    typename V::Float acc[T][V::kRowVectors];
    first == 0 ? set_zero<V>(acc) : y.load(token, acc);
    FloatTile<V, UnpackedFloatPanel<V, Scaled>, T>::run(panel, first, cols, x, token, acc);
    y.store(token, acc);
  });
}

template <class V, FloatFormat F>
class FloatMatmul {
 public:
  static void run(const MatmulArgs& args) {
    const size_t tokens = args.activations.tokens, panel_bytes = float_panel_bytes(F, args.cols);
    const size_t block = tokens == 1 ? 1 : args.token_block;
    for (size_t begin = 0; begin < tokens; begin += block) {
      const size_t end = tokens - begin < block ? tokens : begin + block;
      for (size_t row = args.row_begin; row < args.row_end; row += kPanelRows) {
        const Packed panel{reinterpret_cast<const uint8_t*>(args.packed) + row / kPanelRows * panel_bytes};
        const size_t left = args.row_end - row;
        const Outputs<V> y{args.y + row, args.y_stride, left < kPanelRows ? left : kPanelRows};
        tokens == 1 ? run_one(args, panel, y) : run_many(args, panel, begin, end, y);
      }
    }
  }

 private:
  using Packed = PackedFloatPanel<V, F>;
  using Unpacked = UnpackedFloatPanel<V, is_four_bit(F)>;

  static void run_one(const MatmulArgs& args, const Packed& panel, const Outputs<V>& y) {
    typename V::Float acc[1][V::kRowVectors];
    set_zero<V>(acc);
    FloatTile<V, Packed, 1>::run(panel, 0, args.cols, args.activations, 0, acc);
    y.store(0, acc);
  }

  /// Columns in blocks that fit the scratch memory.
  static void run_many(const MatmulArgs& args, const Packed& packed, size_t begin, size_t end,
                       const Outputs<V>& y) {
    constexpr size_t kMost = kMatmulScratchBytes / (Unpacked::kBlockFloats * sizeof(float)) * kFloatBlock;
    for (size_t first = 0; first < args.cols; first += kMost) {
      const size_t cols = args.cols - first < kMost ? args.cols - first : kMost;
      multiply_unpacked(unpacked(packed, first, cols, args.scratch), first, cols, args.activations, begin,
                        end, y);
    }
  }

  static Unpacked unpacked(const Packed& packed, size_t first, size_t cols, std::byte* scratch) {
    if constexpr (F == FloatFormat::f32) {
      return {reinterpret_cast<const float*>(packed.bytes) + first * kPanelRows};
    } else {
      return unpack(packed, first, cols, reinterpret_cast<float*>(scratch));
    }
  }
};

}  // namespace nibble::simd
