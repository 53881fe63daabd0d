#pragma once

#include "kernels/amx/tile_shapes.h"
#include "kernels/isa_kernels.h"
#include "kernels/simd/integer_kernel.h"
#include "kernels/vnni/vectors.h"

/// Matrix products of packed integer weights with int8 activations by AMX's tiles. Per group of columns the
/// products of 16 tokens with 16 rows are summed in a tile of int32, stored, and scaled by AVX-512 with the
/// operations of reference_integer_matmul in its order. Tokens that do not fill a tile take the VNNI kernel,
/// whose results are the same.
NIBBLE_DECLARE_KERNELS(NIBBLE_VNNI)

namespace nibble::NIBBLE_AMX {
namespace {

/// Panels and columns of them that are unpacked together: with the activations of 16 tokens, which are read
/// from the second-level cache once for all panels, they take 42 KB of the 48 KB of first-level cache that
/// processors with AMX have.
constexpr size_t kBlockPanels = 4, kBlockColumns = 512;

/// kBlockColumns of a panel as signed bytes in lines as packed_format.h has them, which is what a tile of
/// weights is, with their scales.
template <uint32_t Group, bool HasMin>
struct SignedPanel {
  static constexpr size_t kGroups = kBlockColumns / Group;
  int8_t lines[kBlockColumns / 4][kCodeLineBytes];
  float scale[kGroups][kPanelRows];
  float min[HasMin ? kGroups : 1][kPanelRows];
};

/// Takes columns [first, first + cols) of a packed panel; both are multiples of the columns of a step.
template <PackedFormat F, class Panel>
void unpack(const simd::PackedPanel<VnniVectors, F>& packed, size_t first, size_t cols, Panel& out) {
  using V = VnniVectors;
  for (size_t chunk = 0; chunk < cols / 32; ++chunk) {
    unroll<8>([&]<int Q>() NIBBLE_INLINE_LAMBDA {
      V::store(out.lines[chunk * 8 + Q], packed.template signed_quad<Q>(first / 32 + chunk, 0));
    });
  }
  for (size_t group = 0; group < cols / F.group; ++group) {
    V::store_float(out.scale[group], packed.scale(first / F.group + group, 0));
    if constexpr (F.has_min()) V::store_float(out.min[group], packed.min(first / F.group + group, 0));
  }
}

/// Products of an unpacked panel with 16 tokens, whose accumulators stay in registers: scaling costs more
/// than the products. The tile of the next group is multiplied while the sums of the one before are scaled.
template <uint32_t Group, bool HasMin>
class IntegerTile {
 public:
  using V = VnniVectors;
  using Panel = SignedPanel<Group, HasMin>;
  using Accumulators = V::Float[kTileTokens][1];
  static_assert(Group % kTileRowBytes == 0);

  /// acc[t] += the products with columns [first, first + cols) of token `token` + t, which are the panel's.
  static NIBBLE_INLINE void run(const Panel& panel, const ActivationArgs& x, size_t token, size_t first,
                                size_t cols, Accumulators& acc) {
    alignas(64) int32_t sums[2][kTileTokens][kPanelRows];
    const size_t groups = cols / Group;
    const int8_t* q = x.q + token * x.stride + first;
    const float* scales = x.scale + first / Group * x.tokens + token;
    const float* q_sums = x.scaled_sums + first / Group * x.tokens + token;
    dot(panel, 0, q, x.stride, sums[0]);
    for (size_t group = 0; group < groups; ++group) {
      if (group + 1 < groups) dot(panel, group + 1, q, x.stride, sums[(group + 1) % 2]);
      scale(panel, group, scales + group * x.tokens, sums[group % 2], acc);
      if constexpr (HasMin) add_min(panel, group, q_sums + group * x.tokens, acc);
    }
  }

 private:
  static NIBBLE_INLINE void dot(const Panel& panel, size_t group, const int8_t* q, size_t stride,
                                int32_t (&sums)[kTileTokens][kPanelRows]) {
    zero_tile<0>();
    for (size_t k = group * Group; k < (group + 1) * Group; k += kTileRowBytes) {
      load_tile<4>(q + k, stride);
      load_tile<6>(panel.lines[k / 4], kCodeLineBytes);
      dot_int8<0, 4, 6>();
    }
    store_tile<0>(sums, kPanelRows * sizeof(int32_t));
  }

  static NIBBLE_INLINE void scale(const Panel& panel, size_t group, const float* scales,
                                  const int32_t (&sums)[kTileTokens][kPanelRows], Accumulators& acc) {
    const V::Float of_rows = V::load_float(panel.scale[group]);
    unroll<kTileTokens>([&]<int T>() NIBBLE_INLINE_LAMBDA {
      const V::Float both = V::mul(of_rows, V::broadcast_float(scales + T));
      acc[T][0] = V::fma(V::to_float(V::load(sums[T])), both, acc[T][0]);
    });
  }

  static NIBBLE_INLINE void add_min(const Panel& panel, size_t group, const float* q_sums,
                                    Accumulators& acc) {
    const V::Float of_rows = V::load_float(panel.min[group]);
    unroll<kTileTokens>([&]<int T>() NIBBLE_INLINE_LAMBDA {
      acc[T][0] = V::fma(of_rows, V::broadcast_float(q_sums + T), acc[T][0]);
    });
  }
};

/// Columns [first, first + cols) of panels of rows, and where their products go.
struct Block {
  size_t row, panels;
  size_t first, cols;
  float* accumulators;  ///< [tokens, panels, 16 rows], between blocks of columns
};

/// Products of unpacked panels with tokens [begin, end), whole tiles. One function for all formats that
/// unpack alike.
template <uint32_t Group, bool HasMin>
__attribute__((noinline)) void multiply_unpacked(const SignedPanel<Group, HasMin>* panels, const Block& block,
                                                 const MatmulArgs& args, size_t begin, size_t end) {
  using V = VnniVectors;
  const bool last = block.first + block.cols == args.activations.padded_cols;
  float* waiting = block.accumulators;
  for (size_t token = begin; token < end; token += kTileTokens) {
    for (size_t p = 0; p < block.panels; ++p, waiting += kTileTokens * kPanelRows) {
      V::Float acc[kTileTokens][1];
      unroll<kTileTokens>([&]<int T>() NIBBLE_INLINE_LAMBDA {
        acc[T][0] = block.first == 0 ? V::zero_float() : V::load_float(waiting + T * kPanelRows);
      });
      IntegerTile<Group, HasMin>::run(panels[p], args.activations, token, block.first, block.cols, acc);
      if (last) {
        simd::Outputs<V, 1>(args, block.row + p * kPanelRows).store(token, acc);
      } else {
        unroll<kTileTokens>(
            [&]<int T>() NIBBLE_INLINE_LAMBDA { V::store_float(waiting + T * kPanelRows, acc[T][0]); });
      }
    }
  }
}

template <PackedFormat F>
class IntegerMatmul {
 public:
  static void run(const MatmulArgs& args) {
    const size_t tokens = args.activations.tokens, whole = tokens / kTileTokens * kTileTokens;
    if (whole > 0) run_tiles(args, whole);
    if (whole == tokens) return;
    MatmulArgs rest = args;
    rest.first_token = whole;
    NIBBLE_VNNI::integer_matmul<F>(rest);
  }

 private:
  using Panel = SignedPanel<F.group, F.has_min()>;
  static_assert(kBlockPanels * sizeof(Panel) <= kTileScratchBytes);
  static_assert(kBlockPanels * kPanelRows <= kMostTileRows);

  /// Tokens [0, tokens).
  static void run_tiles(const MatmulArgs& args, size_t tokens) {
    TileShapes shapes;
    shapes.set(kTileTokens);
    for (size_t begin = 0; begin < tokens; begin += args.token_block) {
      const size_t end = tokens - begin < args.token_block ? tokens : begin + args.token_block;
      for (size_t row = args.row_begin; row < args.row_end; row += kBlockPanels * kPanelRows)
        run_rows(args, row, begin, end);
    }
  }

  static void run_rows(const MatmulArgs& args, size_t row, size_t begin, size_t end) {
    auto* panels = reinterpret_cast<Panel*>(args.scratch);
    auto* accumulators = reinterpret_cast<float*>(args.scratch + kTileScratchBytes);
    const size_t left = (args.row_end - row + kPanelRows - 1) / kPanelRows;
    const size_t count = left < kBlockPanels ? left : kBlockPanels, cols = args.activations.padded_cols;
    for (size_t first = 0; first < cols; first += kBlockColumns) {
      const size_t here = cols - first < kBlockColumns ? cols - first : kBlockColumns;
      for (size_t p = 0; p < count; ++p)
        unpack<F>(packed_panel(args, row + p * kPanelRows), first, here, panels[p]);
      multiply_unpacked(panels, {row, count, first, here, accumulators}, args, begin, end);
    }
  }

  static simd::PackedPanel<VnniVectors, F> packed_panel(const MatmulArgs& args, size_t row) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(args.packed);
    return simd::PackedPanel<VnniVectors, F>(bytes + row / kPanelRows * F.panel_bytes(args.cols));
  }
};

}  // namespace
}  // namespace nibble::NIBBLE_AMX
