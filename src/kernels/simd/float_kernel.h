#pragma once

#include "kernels/matmul_args.h"
#include "kernels/packed_format.h"
#include "kernels/simd/packed_panel.h"
#include "kernels/simd/tiles.h"
#include "kernels/simd/unroll.h"
#include "tensor/blocks.h"

/// Matrix products of packed float weights with float32 activations, for any vector type V. As in
/// integer_kernel.h one lane is one row, one token reads the packed panel and several an unpacked one, with
/// the same operations: in blocks of kFloatBlock columns a chain of fused multiply-adds in the order of
/// the columns, then one that adds the block times its scale to the accumulator.
namespace nibble::simd {

/// The 16 values of a 4-bit float, and their bytes, lowest first, for look-ups by byte.
struct FloatTable {
  float values[16];
  uint8_t planes[4][16];
};

constexpr FloatTable float_table(const float (&values)[16]) {
  FloatTable table{};
  for (int i = 0; i < 16; ++i) {
    table.values[i] = values[i];
    for (int b = 0; b < 4; ++b)
      table.planes[b][i] = uint8_t(__builtin_bit_cast(uint32_t, values[i]) >> 8 * b);
  }
  return table;
}

inline constexpr FloatTable kNF4Table = float_table(kNF4Values), kFP4Table = float_table(kFP4Values);

/// A panel as the bytes of Linear's packed matrix.
template <class V, FloatFormat F>
struct PackedFloatPanel {
  using Float = typename V::Float;
  static constexpr size_t kBlockBytes = float_block_bytes(F);
  static constexpr bool kScaled = is_four_bit(F);
  static constexpr int kVectors = V::kRowVectors;
  const uint8_t* bytes;

  explicit PackedFloatPanel(const uint8_t* panel) : bytes(panel) {}
  static size_t panel_bytes(size_t cols) { return float_panel_bytes(F, cols); }

  /// Columns [col, col + 8) for row vector r; col is a multiple of 8.
  NIBBLE_INLINE void eight(size_t col, int r, Float (&w)[8]) const {
    const uint8_t* block = bytes + col / kFloatBlock * kBlockBytes;
    const size_t inside = col % kFloatBlock;
    if constexpr (kScaled) {
      const uint8_t* words = block + kPanelRows * sizeof(float) + inside / 8 * kCodeLineBytes + r * V::kBytes;
      V::look_up_floats(F == FloatFormat::nf4 ? kNF4Table : kFP4Table, V::load(words), w);
    } else {
      constexpr size_t kBytes = kBlockBytes / kFloatBlock / kPanelRows;
      const uint8_t* elements = block + (inside * kPanelRows + r * V::kRows) * kBytes;
      unroll<8>([&]<int I>() NIBBLE_INLINE_LAMBDA { w[I] = element(elements + I * kPanelRows * kBytes); });
    }
  }
  NIBBLE_INLINE Float scale(size_t col, int r) const {
    return V::load_float(bytes + col / kFloatBlock * kBlockBytes + r * V::kBytes);
  }

 private:
  static NIBBLE_INLINE Float element(const uint8_t* rows) {
    if constexpr (F == FloatFormat::f32) return V::load_float(rows);
    if constexpr (F == FloatFormat::f16) return V::load_half(rows);
    if constexpr (F == FloatFormat::bf16) return V::load_bfloat16(rows);
  }
};

/// A panel of integer weights, dequantized as its columns are asked for: code * scale (+ min), in the
/// operations of tensor/dequantize.cpp. For activations that stay float32.
template <class V, PackedFormat F>
struct DequantizedPanel {
  using Float = typename V::Float;
  static constexpr bool kScaled = false;
  static constexpr int kVectors = V::kRowVectors;
  PackedPanel<V, F> packed;

  explicit DequantizedPanel(const uint8_t* bytes) : packed(bytes) {}
  static size_t panel_bytes(size_t cols) { return F.panel_bytes(cols); }

  NIBBLE_INLINE void eight(size_t col, int r, Float (&w)[8]) const {
    for (Float& value : w) value = V::zero_float();  // for the compiler, which can't know that one case holds
    unroll<4>([&]<int Eight>() NIBBLE_INLINE_LAMBDA {
      if (col % 32 == 8 * Eight) quads<2 * Eight>(col / 32, r, w);
    });
    const size_t group = col / F.group;
    const Float scale = packed.scale(group, r);
    for (Float& value : w) value = V::mul(value, scale);
    if constexpr (F.has_min()) {
      const Float min = packed.min(group, r);
      for (Float& value : w) value = V::add(value, min);
    }
  }
  NIBBLE_INLINE Float scale(size_t, int) const { return V::set_float(1.0f); }

 private:
  template <int Q>
  NIBBLE_INLINE void quads(size_t chunk, int r, Float (&w)[8]) const {
    const typename V::Int low = packed.template signed_quad<Q>(chunk, r);
    const typename V::Int high = packed.template signed_quad<Q + 1>(chunk, r);
    unroll<4>([&]<int I>() NIBBLE_INLINE_LAMBDA {
      w[I] = V::template signed_byte<I>(low);
      w[4 + I] = V::template signed_byte<I>(high);
    });
  }
};

/// Two packed panels as one with twice the rows: a single token's sums are chains of dependent additions,
/// and more of them side by side hide their latency.
template <class V, class Panel>
struct PackedFloatPair {
  using Float = typename V::Float;
  static constexpr bool kScaled = Panel::kScaled;
  static constexpr int kVectors = 2 * V::kRowVectors;
  Panel panels[2];

  NIBBLE_INLINE void eight(size_t col, int r, Float (&w)[8]) const {
    panels[r / V::kRowVectors].eight(col, r % V::kRowVectors, w);
  }
  NIBBLE_INLINE Float scale(size_t col, int r) const {
    return panels[r / V::kRowVectors].scale(col, r % V::kRowVectors);
  }
};

/// A panel as float32: per block the scales where there are any, then its columns. Packed float32 without
/// scales has this layout already.
template <class V, bool Scaled>
struct UnpackedFloatPanel {
  using Float = typename V::Float;
  static constexpr bool kScaled = Scaled;
  static constexpr int kVectors = V::kRowVectors;
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
template <class V, class Packed>
UnpackedFloatPanel<V, Packed::kScaled> unpack(const Packed& packed, size_t first, size_t cols,
                                              float* floats) {
  using Panel = UnpackedFloatPanel<V, Packed::kScaled>;
  using Float = typename V::Float;
  for (size_t col = 0; col < cols; col += 8) {
    float* block = floats + col / kFloatBlock * Panel::kBlockFloats;
    float* out = block + (col % kFloatBlock + (Panel::kScaled ? 1 : 0)) * kPanelRows;
    for (int r = 0; r < V::kRowVectors; ++r) {
      if (Panel::kScaled && col % kFloatBlock == 0)
        V::store_float(block + r * V::kRows, packed.scale(first + col, r));
      Float w[8];
      packed.eight(first + col, r, w);
      for (int i = 0; i < 8; ++i) V::store_float(out + i * kPanelRows + r * V::kRows, w[i]);
    }
  }
  return {floats};
}

/// Products of an unpacked panel with T tokens.
template <class V, class Panel, int T>
class FloatTile {
 public:
  using Float = typename V::Float;
  static constexpr int R = Panel::kVectors;

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
        unroll<8>([&]<int I>() NIBBLE_INLINE_LAMBDA {
          add_column<I>(panel, col, activations + col + I, x.cols, part);
        });
      }
      unroll<7>([&]<int I>() NIBBLE_INLINE_LAMBDA {
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

/// part[r] += the products of columns [col, col + count), count <= 8, with x.
template <class V, class Panel>
NIBBLE_INLINE void add_eight(const Panel& panel, size_t col, size_t count, const float* x,
                             typename V::Float (&part)[1][Panel::kVectors]) {
  for (int r = 0; r < Panel::kVectors; ++r) {
    typename V::Float w[8];
    panel.eight(col, r, w);
    unroll<8>([&]<int I>() NIBBLE_INLINE_LAMBDA {
      if (I < count) part[0][r] = V::fma(w[I], V::broadcast_float(x + I), part[0][r]);
    });
  }
}

/// acc[r] = the products of a packed panel with one token: FloatTile's operations, eight columns at a time.
template <class V, class Panel>
NIBBLE_INLINE void multiply_one(const Panel& panel, const float* x, size_t cols,
                                typename V::Float (&acc)[1][Panel::kVectors]) {
  using Float = typename V::Float;
  set_zero<V>(acc);
  for (size_t block = 0; block < cols; block += kFloatBlock) {
    const size_t end = cols - block < kFloatBlock ? cols : block + kFloatBlock;
    Float part[1][Panel::kVectors];
    set_zero<V>(part);
    size_t col = block;
    for (; col + 8 <= end; col += 8) add_eight<V>(panel, col, 8, x + col, part);
    if (col < end) add_eight<V>(panel, col, end - col, x + col, part);
    for (int r = 0; r < Panel::kVectors; ++r) {
      const Float scale = Panel::kScaled ? panel.scale(block, r) : V::set_float(1.0f);
      acc[0][r] = V::fma(part[0][r], scale, acc[0][r]);
    }
  }
}

/// Products of an unpacked panel with tokens [begin, end), as multiply_unpacked of the integer kernels.
template <class V, bool Scaled>
__attribute__((noinline)) void multiply_unpacked(const UnpackedFloatPanel<V, Scaled>& panel, size_t first,
                                                 size_t cols, const ActivationArgs& x, size_t begin,
                                                 size_t end, const Outputs<V, 1>& y) {
  for_each_tile<V::kFloatTokens>(begin, end, [&]<int T>(size_t token) {
    typename V::Float acc[T][V::kRowVectors];
    first == 0 ? set_zero<V>(acc) : y.load(token, acc);
    FloatTile<V, UnpackedFloatPanel<V, Scaled>, T>::run(panel, first, cols, x, token, acc);
    y.store(token, acc);
  });
}

template <class V, class Packed>
class FloatMatmul {
 public:
  static void run(const MatmulArgs& args) {
    const size_t tokens = args.activations.tokens;
    if (tokens == 1) return run_one(args);
    for (size_t begin = 0; begin < tokens; begin += args.token_block) {
      const size_t end = tokens - begin < args.token_block ? tokens : begin + args.token_block;
      for (size_t row = args.row_begin; row < args.row_end; row += kPanelRows)
        run_many(args, row, begin, end);
    }
  }

 private:
  using Unpacked = UnpackedFloatPanel<V, Packed::kScaled>;
  static constexpr int R = V::kRowVectors;

  static Packed packed_panel(const MatmulArgs& args, size_t row) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(args.packed);
    return Packed(bytes + row / kPanelRows * Packed::panel_bytes(args.cols));
  }

  static void run_one(const MatmulArgs& args) {
    size_t row = args.row_begin;
    for (; row + kPanelRows < args.row_end; row += 2 * kPanelRows) {
      const PackedFloatPair<V, Packed> pair{{packed_panel(args, row), packed_panel(args, row + kPanelRows)}};
      typename V::Float acc[1][2 * R];
      multiply_one<V>(pair, args.activations.x, args.cols, acc);
      Outputs<V, 2>(args, row).store(0, acc);
    }
    if (row >= args.row_end) return;
    typename V::Float acc[1][R];
    multiply_one<V>(packed_panel(args, row), args.activations.x, args.cols, acc);
    Outputs<V, 1>(args, row).store(0, acc);
  }

  /// Columns in blocks that fit the scratch memory.
  static void run_many(const MatmulArgs& args, size_t row, size_t begin, size_t end) {
    const Packed packed = packed_panel(args, row);
    const Outputs<V, 1> y(args, row);
    constexpr size_t kMost = kTileScratchBytes / (Unpacked::kBlockFloats * sizeof(float)) * kFloatBlock;
    for (size_t first = 0; first < args.cols; first += kMost) {
      const size_t cols = args.cols - first < kMost ? args.cols - first : kMost;
      multiply_unpacked(unpacked(packed, first, cols, args.scratch), first, cols, args.activations, begin,
                        end, y);
    }
  }

  static Unpacked unpacked(const Packed& packed, size_t first, size_t cols, std::byte* scratch) {
    if constexpr (__is_same(Packed, PackedFloatPanel<V, FloatFormat::f32>)) {
      return {reinterpret_cast<const float*>(packed.bytes) + first * kPanelRows};
    } else {
      return unpack<V>(packed, first, cols, reinterpret_cast<float*>(scratch));
    }
  }
};

}  // namespace nibble::simd
