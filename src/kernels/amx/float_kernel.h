#pragma once

#include "kernels/amx/tile_shapes.h"
#include "kernels/bfloat16_parts.h"
#include "kernels/packed_format.h"

/// Matrix products of BF16 weights with float32 activations by AMX's tiles of bfloat16. Activations are the
/// exact sum of three bfloat16, so that products are exact and sums err as float32's do, with three products
/// of tiles for one. One token is multiplied by tiles of one row: the order of the sums is the tiles' own,
/// and a result must not depend on the rest of the batch.
namespace nibble::NIBBLE_AMX {
namespace {

/// Columns of a panel in scratch memory: per 32 of them a tile, whose line `pair` holds columns 2 pair and
/// 2 pair + 1 of the 16 rows, row after row. Columns that the matrix lacks are 0. Two panels take 32 KB: with
/// the activations of 32 tokens, which stream past, what the first-level cache holds.
struct Bfloat16Panel {
  static constexpr size_t kColumns = 512;
  uint8_t lines[kColumns / kPartColumns][kPartColumns / 2][kTileRowBytes];
};

constexpr size_t kColumnBytes = kPanelRows * sizeof(uint16_t);

/// Column `col` of a packed panel, each row in the upper half of a lane.
NIBBLE_INLINE __m512i upper_halves(const uint8_t* panel, size_t col, size_t cols) {
  if (col >= cols) return _mm512_setzero_si512();
  return _mm512_castps_si512(Avx512Vectors::load_bfloat16(panel + col * kColumnBytes));
}

/// Takes columns [first, first + count) of a packed panel of `cols` columns; first is a multiple of 32. Asks
/// for those that come next: while the tiles multiply, which takes as long, nothing else would.
inline void unpack(const uint8_t* packed, size_t first, size_t count, size_t cols, Bfloat16Panel& out) {
  for (size_t col = 0; col < (count + kPartColumns - 1) / kPartColumns * kPartColumns; col += 2) {
    __builtin_prefetch(packed + (first + col + Bfloat16Panel::kColumns) * kColumnBytes, 0, 2);
    const __m512i even = upper_halves(packed, first + col, cols);
    const __m512i odd = upper_halves(packed, first + col + 1, cols);
    _mm512_storeu_si512(out.lines[col / kPartColumns][col % kPartColumns / 2],
                        _mm512_or_si512(_mm512_srli_epi32(even, 16), odd));
  }
}

class Bfloat16Matmul {
 public:
  static void run(const MatmulArgs& args) {
    const size_t tokens = args.activations.tokens;
    TileShapes shapes;
    for (size_t begin = 0; begin < tokens; begin += args.token_block) {
      const size_t end = tokens - begin < args.token_block ? tokens : begin + args.token_block;
      for (size_t row = args.row_begin; row < args.row_end; row += kPanels * kPanelRows)
        run_rows(args, row, begin, end, shapes);
    }
  }

 private:
  static_assert(kPanels * sizeof(Bfloat16Panel) <= kTileScratchBytes);

  /// Columns in blocks that fit the scratch memory; before later ones the sums wait in y.
  static void run_rows(const MatmulArgs& args, size_t row, size_t begin, size_t end, TileShapes& shapes) {
    auto* panels = reinterpret_cast<Bfloat16Panel*>(args.scratch);
    const size_t count = row + kPanelRows < args.row_end ? kPanels : 1, cols = args.cols;
    for (size_t first = 0; first < cols; first += Bfloat16Panel::kColumns) {
      const size_t here = cols - first < Bfloat16Panel::kColumns ? cols - first : Bfloat16Panel::kColumns;
      for (size_t p = 0; p < count; ++p) {
        const auto* packed = reinterpret_cast<const uint8_t*>(args.packed) +
                             (row / kPanelRows + p) * float_panel_bytes(FloatFormat::bf16, cols);
        unpack(packed, first, here, cols, panels[p]);
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
  static void multiply(const OutputTile& tile, const Bfloat16Panel* panels, const MatmulArgs& args,
                       size_t first, size_t cols, Accumulators& acc) {
    const size_t elements = args.activations.stride, stride = elements * sizeof(uint16_t);
    const uint16_t* x = args.activations.parts + tile.token * elements + first * kBfloat16Parts;
    load_sums(tile, acc);
    for (size_t chunk = 0; chunk * kPartColumns < cols; ++chunk) {
      load_tile<6>(panels[0].lines[chunk], kTileRowBytes);
      if (tile.more_panels()) load_tile<7>(panels[1].lines[chunk], kTileRowBytes);
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
