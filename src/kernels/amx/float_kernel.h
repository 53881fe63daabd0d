#pragma once

#include "kernels/amx/tile_shapes.h"
#include "kernels/bfloat16_parts.h"
#include "kernels/packed_format.h"

/// Matrix products of BF16 and F16 weights with float32 activations by AMX's tiles of bfloat16. Activations
/// are the exact sum of three bfloat16 and F16 weights of two, so that products are exact and sums err as
/// float32's do, with three (six) products of tiles for one. One token is multiplied by tiles of one row:
/// the order of the sums is the tiles' own, and a result must not depend on the rest of the batch.
namespace nibble::NIBBLE_AMX {
namespace {

/// bfloat16 that a weight is the sum of.
template <FloatFormat F>
constexpr size_t weight_parts() {
  return F == FloatFormat::f16 ? 2 : 1;
}

/// Columns of a panel in scratch memory: per 32 of them and part of the weights a tile, whose line `pair`
/// holds columns 2 pair and 2 pair + 1 of the 16 rows, row after row. Columns that the matrix lacks are 0.
/// Two panels take 32 KB: with the activations of 32 tokens, which stream past, what the first-level cache
/// holds.
template <size_t WeightParts>
struct Bfloat16Panel {
  static constexpr size_t kColumns = 512 / WeightParts;
  uint8_t lines[kColumns / kPartColumns][WeightParts][kPartColumns / 2][kTileRowBytes];
};

/// Column `col` of a packed panel as float32's bits, whose lower halves are zero for BF16.
template <FloatFormat F>
NIBBLE_INLINE __m512i column_bits(const uint8_t* panel, size_t col, size_t cols) {
  if (col >= cols) return _mm512_setzero_si512();
  const uint8_t* rows = panel + col * kPanelRows * sizeof(uint16_t);
  return _mm512_castps_si512(F == FloatFormat::f16 ? Avx512Vectors::load_half(rows)
                                                   : Avx512Vectors::load_bfloat16(rows));
}

NIBBLE_INLINE __m512i upper_half(__m512i bits) {
  return _mm512_and_si512(bits, _mm512_set1_epi32(int32_t(0xffff0000u)));
}

/// What is left of float32s without their upper halves.
NIBBLE_INLINE __m512i rest(__m512i bits) {
  return _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(bits), _mm512_castsi512_ps(upper_half(bits))));
}

/// Takes columns [first, first + count) of a packed panel of `cols` columns; first is a multiple of 32.
template <FloatFormat F, class Panel>
void unpack(const uint8_t* packed, size_t first, size_t count, size_t cols, Panel& out) {
  for (size_t col = 0; col < (count + kPartColumns - 1) / kPartColumns * kPartColumns; col += 2) {
    __m512i even = column_bits<F>(packed, first + col, cols);
    __m512i odd = column_bits<F>(packed, first + col + 1, cols);
    for (size_t part = 0; part < weight_parts<F>(); ++part) {
      const __m512i line = _mm512_or_si512(_mm512_srli_epi32(even, 16), upper_half(odd));
      _mm512_storeu_si512(out.lines[col / kPartColumns][part][col % kPartColumns / 2], line);
      even = rest(even);
      odd = rest(odd);
    }
  }
}

template <FloatFormat F>
class FloatMatmul {
 public:
  static void run(const MatmulArgs& args) {
    const size_t tokens = args.activations.tokens;
    TileShapes shapes(kTileRowBytes);
    for (size_t begin = 0; begin < tokens; begin += args.token_block) {
      const size_t end = tokens - begin < args.token_block ? tokens : begin + args.token_block;
      for (size_t row = args.row_begin; row < args.row_end; row += kPanels * kPanelRows)
        run_rows(args, row, begin, end, shapes);
    }
  }

 private:
  using Panel = Bfloat16Panel<weight_parts<F>()>;
  static_assert(kPanels * sizeof(Panel) <= kTileScratchBytes);

  /// Columns in blocks that fit the scratch memory; before later ones the sums wait in y.
  static void run_rows(const MatmulArgs& args, size_t row, size_t begin, size_t end, TileShapes& shapes) {
    auto* panels = reinterpret_cast<Panel*>(args.scratch);
    const size_t count = row + kPanelRows < args.row_end ? kPanels : 1, cols = args.cols;
    for (size_t first = 0; first < cols; first += Panel::kColumns) {
      const size_t here = cols - first < Panel::kColumns ? cols - first : Panel::kColumns;
      for (size_t p = 0; p < count; ++p) {
        const auto* packed = reinterpret_cast<const uint8_t*>(args.packed) +
                             (row / kPanelRows + p) * float_panel_bytes(F, cols);
        unpack<F>(packed, first, here, cols, panels[p]);
      }
      for_each_token_tile(begin, end, [&](size_t token, size_t tokens) {
        const OutputTile tile{row, count, token, tokens};
        Accumulators acc = {};
        if (first != 0) load_outputs(args, tile, acc);
        shapes.set(tokens);
        multiply(tile, panels, args, first, here, acc);
        store_outputs(args, tile, acc);
      });
    }
  }

  /// acc += the products of columns [first, first + cols), which are the panels'.
  static void multiply(const OutputTile& tile, const Panel* panels, const MatmulArgs& args, size_t first,
                       size_t cols, Accumulators& acc) {
    const size_t elements = args.activations.stride, stride = elements * sizeof(uint16_t);
    const uint16_t* x = args.activations.parts + tile.token * elements + first * kBfloat16Parts;
    load_sums(tile, acc);
    for (size_t chunk = 0; chunk * kPartColumns < cols; ++chunk) {
      for (size_t w = 0; w < weight_parts<F>(); ++w) {
        load_tile<6>(panels[0].lines[chunk][w], kTileRowBytes);
        if (tile.more_panels()) load_tile<7>(panels[1].lines[chunk][w], kTileRowBytes);
        for (size_t part = 0; part < kBfloat16Parts; ++part) {
          const uint16_t* from = x + (chunk * kBfloat16Parts + part) * kPartColumns;
          load_tile<4>(from, stride);
          dot_bfloat16<0, 4, 6>();
          if (tile.more_panels()) dot_bfloat16<1, 4, 7>();
          if (!tile.more_tokens()) continue;
          load_tile<5>(from + kTileTokens * elements, stride);
          dot_bfloat16<2, 5, 6>();
          if (tile.more_panels()) dot_bfloat16<3, 5, 7>();
        }
      }
    }
    store_sums(tile, acc);
  }

  static void load_sums(const OutputTile& tile, const Accumulators& acc) {
    load_tile<0>(acc.values[0], kSumStride);
    if (tile.more_panels()) load_tile<1>(acc.values[1], kSumStride);
    if (!tile.more_tokens()) return;
    load_tile<2>(acc.values[0][kTileTokens], kSumStride);
    if (tile.more_panels()) load_tile<3>(acc.values[1][kTileTokens], kSumStride);
  }

  static void store_sums(const OutputTile& tile, Accumulators& acc) {
    store_tile<0>(acc.values[0], kSumStride);
    if (tile.more_panels()) store_tile<1>(acc.values[1], kSumStride);
    if (!tile.more_tokens()) return;
    store_tile<2>(acc.values[0][kTileTokens], kSumStride);
    if (tile.more_panels()) store_tile<3>(acc.values[1][kTileTokens], kSumStride);
  }
};

}  // namespace
}  // namespace nibble::NIBBLE_AMX
