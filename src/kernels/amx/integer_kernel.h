#pragma once

#include "kernels/amx/tile_shapes.h"
#include "kernels/isa_kernels.h"
#include "kernels/simd/integer_kernel.h"
#include "kernels/vnni/vectors.h"

/// Matrix products of packed integer weights with int8 activations by AMX's tiles. Per group of columns the
/// products of 32 tokens with 32 rows are summed in tiles of int32, stored, and scaled by AVX-512 with the
/// operations of reference_integer_matmul in its order. Few tokens take the VNNI kernel, whose results are
/// the same.
NIBBLE_DECLARE_KERNELS(NIBBLE_VNNI)

namespace nibble::NIBBLE_AMX {
namespace {

/// Columns that are unpacked together: the weights of two panels and the activations of 32 tokens take 36 KB
/// of the 48 KB of first-level cache that processors with AMX have.
constexpr size_t kBlockColumns = 512;

/// So many tokens read the packed panels directly, with VPDPBUSD: tiles would have to wait for unpacking.
constexpr size_t kMostVnniTokens = VnniVectors::kPackedTokens;

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

/// Products of unpacked panels with tiles of tokens.
template <uint32_t Group, bool HasMin>
class IntegerTiles {
 public:
  using V = VnniVectors;
  using Panel = SignedPanel<Group, HasMin>;
  /// Columns of one product.
  static constexpr size_t kStep = Group < kTileRowBytes ? Group : kTileRowBytes;

  /// acc += the products with columns [first, first + cols) of the activations, which are the panels'.
  static void run(const OutputTile& tile, const Panel* panels, const ActivationArgs& x, size_t first,
                  size_t cols, Accumulators& acc) {
    Sums sums;
    for (size_t group = 0; group < cols / Group; ++group) {
      const size_t col = first + group * Group;
      dot(tile, panels, group, x, col, sums);
      for (size_t p = 0; p < tile.panels; ++p) {
        scale(tile, panels[p], group, x, col, sums.values[p], acc.values[p]);
      }
    }
  }

 private:
  struct alignas(64) Sums {
    int32_t values[kPanels][kTokens][kPanelRows];
  };

  static void dot(const OutputTile& tile, const Panel* panels, size_t group, const ActivationArgs& x,
                  size_t col, Sums& sums) {
    const size_t stride = x.stride;
    const int8_t* q = x.q + tile.token * stride + col;
    zero_tile<0>();
    if (tile.more_panels()) zero_tile<1>();
    if (tile.more_tokens()) zero_tile<2>();
    if (tile.more_tokens() && tile.more_panels()) zero_tile<3>();
    for (size_t k = 0; k < Group; k += kStep) {
      const size_t line = (group * Group + k) / 4;
      load_tile<4>(q + k, stride);
      load_tile<6>(panels[0].lines[line], kCodeLineBytes);
      dot_int8<0, 4, 6>();
      if (tile.more_panels()) {
        load_tile<7>(panels[1].lines[line], kCodeLineBytes);
        dot_int8<1, 4, 7>();
      }
      if (!tile.more_tokens()) continue;
      load_tile<5>(q + k + kTileTokens * stride, stride);
      dot_int8<2, 5, 6>();
      if (tile.more_panels()) dot_int8<3, 5, 7>();
    }
    store_tile<0>(sums.values[0], kSumStride);
    if (tile.more_panels()) store_tile<1>(sums.values[1], kSumStride);
    if (!tile.more_tokens()) return;
    store_tile<2>(sums.values[0][kTileTokens], kSumStride);
    if (tile.more_panels()) store_tile<3>(sums.values[1][kTileTokens], kSumStride);
  }

  /// acc [tokens][16 rows] += scaled sums of a panel's group, whose activations begin at column `col`.
  static void scale(const OutputTile& tile, const Panel& panel, size_t group, const ActivationArgs& x,
                    size_t col, const int32_t (&sums)[kTokens][kPanelRows],
                    float (&acc)[kTokens][kPanelRows]) {
    const float* scales = x.scale + col / scale_group(Group) * x.tokens + tile.token;
    const float* q_sums = x.scaled_sums + col / Group * x.tokens + tile.token;
    const V::Float w_scale = V::load_float(panel.scale[group]);
    const V::Float w_min = HasMin ? V::load_float(panel.min[group]) : V::zero_float();
    for (size_t t = 0; t < tile.tokens; ++t) {
      const V::Float a_scale = V::broadcast_float(scales + t);
      const V::Float product = V::to_float(V::load(sums[t]));
      V::Float value = V::fma(product, V::mul(w_scale, a_scale), V::load_float(acc[t]));
      if constexpr (HasMin) value = V::fma(w_min, V::broadcast_float(q_sums + t), value);
      V::store_float(acc[t], value);
    }
  }
};

/// Products of unpacked panels, which are columns [first, first + cols) of `tile`'s rows, with tokens
/// [begin, end). Before columns other than the first the accumulators wait in y. One function for all
/// formats that unpack alike.
template <uint32_t Group, bool HasMin>
__attribute__((noinline)) void multiply_unpacked(const SignedPanel<Group, HasMin>* panels, size_t panel_count,
                                                 size_t first, size_t cols, const MatmulArgs& args,
                                                 size_t row, size_t begin, size_t end, TileShapes& shapes) {
  for_each_token_tile(begin, end, [&](size_t token, size_t tokens) {
    const OutputTile tile{row, panel_count, token, tokens};
    Accumulators acc = {};
    if (first != 0) load_outputs(args, tile, acc);
    shapes.set(tokens);
    IntegerTiles<Group, HasMin>::run(tile, panels, args.activations, first, cols, acc);
    store_outputs(args, tile, acc);
  });
}

template <PackedFormat F>
class IntegerMatmul {
 public:
  static void run(const MatmulArgs& args) {
    const size_t tokens = args.activations.tokens;
    if (tokens <= kMostVnniTokens) return NIBBLE_VNNI::integer_matmul<F>(args);
    TileShapes shapes(IntegerTiles<F.group, F.has_min()>::kStep);
    for (size_t begin = 0; begin < tokens; begin += args.token_block) {
      const size_t end = tokens - begin < args.token_block ? tokens : begin + args.token_block;
      for (size_t row = args.row_begin; row < args.row_end; row += kPanels * kPanelRows)
        run_rows(args, row, begin, end, shapes);
    }
  }

 private:
  using Panel = SignedPanel<F.group, F.has_min()>;
  static_assert(kPanels * sizeof(Panel) <= kTileScratchBytes);

  static void run_rows(const MatmulArgs& args, size_t row, size_t begin, size_t end, TileShapes& shapes) {
    auto* panels = reinterpret_cast<Panel*>(args.scratch);
    const size_t count = row + kPanelRows < args.row_end ? kPanels : 1, cols = args.activations.padded_cols;
    for (size_t first = 0; first < cols; first += kBlockColumns) {
      const size_t here = cols - first < kBlockColumns ? cols - first : kBlockColumns;
      for (size_t p = 0; p < count; ++p)
        unpack<F>(packed_panel(args, row + p * kPanelRows), first, here, panels[p]);
      multiply_unpacked(panels, count, first, here, args, row, begin, end, shapes);
    }
  }

  static simd::PackedPanel<VnniVectors, F> packed_panel(const MatmulArgs& args, size_t row) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(args.packed);
    return simd::PackedPanel<VnniVectors, F>(bytes + row / kPanelRows * F.panel_bytes(args.cols));
  }
};

}  // namespace
}  // namespace nibble::NIBBLE_AMX
