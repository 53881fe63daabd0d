#pragma once

#include "kernels/amx/tiles.h"
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

/// A tile of tokens or a panel of rows has 16 of them; two of each make four tiles of sums, so that each
/// load serves two products. With two tiles of activations and two of weights these are all eight:
///   0 1   tokens 0 .. 15 with panels 0 and 1
///   2 3   tokens 16 .. 31
///   4 5   activations, tokens 0 .. 15 and 16 .. 31
///   6 7   weights, panels 0 and 1
constexpr size_t kTileTokens = 16, kTokens = 2 * kTileTokens, kPanels = 2;

/// Columns that are unpacked together: the weights of two panels and the activations of 32 tokens take 36 KB
/// of the 48 KB of first-level cache that processors with AMX have.
constexpr size_t kBlockColumns = 512;

/// From Intel's optimization manual: a product of tiles takes 16 cycles, for which a core multiplies the 32
/// columns and 16 rows of a group with 4 tokens by VPDPBUSD.
constexpr size_t kMostVnniTokens = 4;

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

/// The tokens [token, token + count) and columns from `col` on that tiles multiply, and with what.
template <class Panel>
struct TileWork {
  const ActivationArgs& x;
  const Panel* panels;
  size_t panel_count;
  size_t first, cols;  ///< of the activations; the panels' columns begin at 0
  size_t token, count;

  bool more_tokens() const { return count > kTileTokens; }
  bool more_panels() const { return panel_count > 1; }
};

/// Tiles for `tokens` tokens and products of `k` columns.
inline TileConfig tile_config(size_t tokens, size_t k) {
  TileConfig config;
  const size_t rows[2] = {tokens < kTileTokens ? tokens : kTileTokens,
                          tokens < kTileTokens ? 0 : tokens - kTileTokens};
  const auto shape = [&](size_t tile, size_t tile_rows, size_t row_bytes) {
    config.rows[tile] = uint8_t(tile_rows);
    config.row_bytes[tile] = uint16_t(tile_rows == 0 ? 0 : row_bytes);
  };
  for (size_t i = 0; i < 2; ++i) {
    shape(2 * i, rows[i], kTileRowBytes);
    shape(2 * i + 1, rows[i], kTileRowBytes);
    shape(4 + i, rows[i], k);
    shape(6 + i, k / 4, kTileRowBytes);
  }
  return config;
}

template <uint32_t Group, bool HasMin>
class IntegerTiles {
 public:
  using V = VnniVectors;
  using Panel = SignedPanel<Group, HasMin>;
  using Work = TileWork<Panel>;
  /// Columns of one product.
  static constexpr size_t kStep = Group < kTileRowBytes ? Group : kTileRowBytes;

  /// acc[token][panel][row] += the products of the work's tokens with its panels.
  static void run(const Work& work, float (&acc)[kTokens][kPanels][kPanelRows]) {
    Sums sums;
    for (size_t group = 0; group < work.cols / Group; ++group) {
      dot(work, group, sums);
      for (size_t p = 0; p < work.panel_count; ++p) scale(work, group, p, sums, acc);
    }
  }

 private:
  /// The four tiles of sums as [panel][token][row], so that the tiles of a panel follow each other.
  struct alignas(64) Sums {
    int32_t values[kPanels][kTokens][kPanelRows];
  };
  static constexpr size_t kSumStride = kPanelRows * sizeof(int32_t);

  static void dot(const Work& work, size_t group, Sums& sums) {
    const size_t stride = work.x.stride;
    const int8_t* q = work.x.q + work.token * stride + work.first + group * Group;
    zero_tile<0>();
    if (work.more_panels()) zero_tile<1>();
    if (work.more_tokens()) zero_tile<2>();
    if (work.more_tokens() && work.more_panels()) zero_tile<3>();
    for (size_t k = 0; k < Group; k += kStep) {
      const size_t line = (group * Group + k) / 4;
      load_tile<4>(q + k, stride);
      load_tile<6>(work.panels[0].lines[line], kCodeLineBytes);
      dot_int8<0, 4, 6>();
      if (work.more_panels()) {
        load_tile<7>(work.panels[1].lines[line], kCodeLineBytes);
        dot_int8<1, 4, 7>();
      }
      if (!work.more_tokens()) continue;
      load_tile<5>(q + k + kTileTokens * stride, stride);
      dot_int8<2, 5, 6>();
      if (work.more_panels()) dot_int8<3, 5, 7>();
    }
    store_tile<0>(sums.values[0], kSumStride);
    if (work.more_panels()) store_tile<1>(sums.values[1], kSumStride);
    if (!work.more_tokens()) return;
    store_tile<2>(sums.values[0][kTileTokens], kSumStride);
    if (work.more_panels()) store_tile<3>(sums.values[1][kTileTokens], kSumStride);
  }

  static void scale(const Work& work, size_t group, size_t panel, const Sums& products,
                    float (&acc)[kTokens][kPanels][kPanelRows]) {
    const size_t col = work.first + group * Group;
    const float* scales = work.x.scale + col / scale_group(Group) * work.x.tokens + work.token;
    const float* sums = work.x.scaled_sums + col / Group * work.x.tokens + work.token;
    const V::Float w_scale = V::load_float(work.panels[panel].scale[group]);
    const V::Float w_min = HasMin ? V::load_float(work.panels[panel].min[group]) : V::zero_float();
    for (size_t t = 0; t < work.count; ++t) {
      const V::Float a_scale = V::broadcast_float(scales + t);
      const V::Float product = V::to_float(V::load(products.values[panel][t]));
      V::Float value = V::fma(product, V::mul(w_scale, a_scale), V::load_float(acc[t][panel]));
      if constexpr (HasMin) value = V::fma(w_min, V::broadcast_float(sums + t), value);
      V::store_float(acc[t][panel], value);
    }
  }
};

/// Products of unpacked panels with tokens [begin, end). Before columns other than the first the
/// accumulators wait in y. One function for all formats that unpack alike.
template <uint32_t Group, bool HasMin>
__attribute__((noinline)) void multiply_unpacked(const SignedPanel<Group, HasMin>* panels, size_t panel_count,
                                                 size_t first, size_t cols, const MatmulArgs& args,
                                                 size_t row, size_t begin, size_t end) {
  using V = VnniVectors;
  using Tiles = IntegerTiles<Group, HasMin>;
  size_t configured = 0;
  for (size_t token = begin; token < end; token += kTokens) {
    const size_t count = end - token < kTokens ? end - token : kTokens;
    if (count != configured) load_config(tile_config(count, Tiles::kStep));
    configured = count;
    alignas(64) float acc[kTokens][kPanels][kPanelRows] = {};
    for (size_t p = 0; p < panel_count && first != 0; ++p) {
      const simd::Outputs<V, 1> y(args, row + p * kPanelRows);
      for (size_t t = 0; t < count; ++t) {
        V::Float value[1][1];
        y.load(token + t, value);
        V::store_float(acc[t][p], value[0][0]);
      }
    }
    Tiles::run({args.activations, panels, panel_count, first, cols, token, count}, acc);
    for (size_t p = 0; p < panel_count; ++p) {
      const simd::Outputs<V, 1> y(args, row + p * kPanelRows);
      for (size_t t = 0; t < count; ++t) {
        const V::Float value[1][1] = {{V::load_float(acc[t][p])}};
        y.store(token + t, value);
      }
    }
  }
}

template <PackedFormat F>
class IntegerMatmul {
 public:
  static void run(const MatmulArgs& args) {
    const size_t tokens = args.activations.tokens;
    if (tokens <= kMostVnniTokens) return NIBBLE_VNNI::integer_matmul<F>(args);
    for (size_t begin = 0; begin < tokens; begin += args.token_block) {
      const size_t end = tokens - begin < args.token_block ? tokens : begin + args.token_block;
      for (size_t row = args.row_begin; row < args.row_end; row += kPanels * kPanelRows)
        run_rows(args, row, begin, end);
    }
    release_tiles();
  }

 private:
  using Panel = SignedPanel<F.group, F.has_min()>;
  static_assert(kPanels * sizeof(Panel) <= kTileScratchBytes);

  static void run_rows(const MatmulArgs& args, size_t row, size_t begin, size_t end) {
    auto* panels = reinterpret_cast<Panel*>(args.scratch);
    const size_t count = row + kPanelRows < args.row_end ? kPanels : 1, cols = args.activations.padded_cols;
    for (size_t first = 0; first < cols; first += kBlockColumns) {
      const size_t here = cols - first < kBlockColumns ? cols - first : kBlockColumns;
      for (size_t p = 0; p < count; ++p)
        unpack<F>(packed_panel(args, row + p * kPanelRows), first, here, panels[p]);
      multiply_unpacked(panels, count, first, here, args, row, begin, end);
    }
  }

  static simd::PackedPanel<VnniVectors, F> packed_panel(const MatmulArgs& args, size_t row) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(args.packed);
    return simd::PackedPanel<VnniVectors, F>(bytes + row / kPanelRows * F.panel_bytes(args.cols));
  }
};

}  // namespace
}  // namespace nibble::NIBBLE_AMX
