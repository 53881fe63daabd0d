#pragma once

#include "kernels/simd/integer_tile.h"

/// Matrix products of packed integer weights with int8 activations, for any vector type V of 32-bit lanes
/// (avx2/vectors.h, avx512/vectors.h). One lane is one row. Few tokens take the codes apart in registers;
/// many unpack panels once and go over them tile by tile, with the same results.
namespace nibble::simd {

/// Some steps of the columns of unpacked panels, and where their products go.
template <class V>
struct ColumnBlock {
  size_t first, steps;
  bool last;            ///< of the row
  float* accumulators;  ///< [tokens of the block, rows of the tile], between blocks of columns. y's rows lie
                        ///< whole pages apart and would fight for the same sets of the caches.
  Outputs<V, V::kTilePanels> y;
};

/// Products of unpacked panels with tokens [begin, end). One function for all formats that unpack alike.
template <class V, PackedFormat U>
__attribute__((noinline)) void multiply_unpacked(const UnpackedPanels<V, U>& panels,
                                                 const ColumnBlock<V>& block, const ActivationArgs& x,
                                                 size_t begin, size_t end) {
  constexpr int R = UnpackedPanels<V, U>::kVectors;
  for_each_tile<V::kIntegerTokens>(begin, end, [&]<int T>(size_t token) {
    float* waiting = block.accumulators + (token - begin) * R * V::kRows;
    typename V::Float acc[T][R];
    for (int i = 0; i < T * R; ++i) {
      acc[i / R][i % R] = block.first == 0 ? V::zero_float() : V::load_float(waiting + i * V::kRows);
    }
    IntegerTile<V, UnpackedPanels<V, U>, T>::run(panels, block.first, block.steps, x, token, acc);
    if (block.last) {
      block.y.store(token, acc);
    } else {
      for (int i = 0; i < T * R; ++i) V::store_float(waiting + i * V::kRows, acc[i / R][i % R]);
    }
  });
}

template <class V, PackedFormat F>
class IntegerMatmul {
 public:
  static void run(const MatmulArgs& args) {
    const size_t tokens = args.activations.tokens;
    if (tokens - args.first_token <= V::kPackedTokens) return run_few(args);
    for (size_t begin = args.first_token; begin < tokens; begin += args.token_block) {
      const size_t end = tokens - begin < args.token_block ? tokens : begin + args.token_block;
      for (size_t row = args.row_begin; row < args.row_end; row += kTileRows) run_many(args, row, begin, end);
    }
  }

 private:
  using Packed = PackedPanel<V, F>;
  using Unpacked = UnpackedPanels<V, unpacked_format<V, F>()>;
  static constexpr size_t kTileRows = V::kTilePanels * kPanelRows;

  static const uint8_t* panel_bytes(const MatmulArgs& args, size_t row) {
    return reinterpret_cast<const uint8_t*>(args.packed) + row / kPanelRows * F.panel_bytes(args.cols);
  }
  static Packed packed_panel(const MatmulArgs& args, size_t row) { return Packed(panel_bytes(args, row)); }

  /// Reads the packed panels once.
  static void run_few(const MatmulArgs& args) {
    const size_t steps = args.activations.padded_cols / step_columns(F);
    const uint8_t* end = panel_bytes(args, args.row_end + kPanelRows - 1);
    for (size_t row = args.row_begin; row < args.row_end; row += kPanelRows) {
      for_each_tile<V::kPackedTokens>(args.first_token, args.activations.tokens, [&]<int T>(size_t token) {
        typename V::Float acc[T][V::kRowVectors];
        set_zero<V>(acc);
        const PackedSteps<V, F> panel(packed_panel(args, row), end);
        IntegerTile<V, PackedSteps<V, F>, T>::run(panel, 0, steps, args.activations, token, acc);
        Outputs<V, 1>(args, row).store(token, acc);
      });
    }
  }

  /// Columns in blocks that fit the first-level cache.
  static void run_many(const MatmulArgs& args, size_t row, size_t begin, size_t end) {
    // Past the last panel the tile has it twice, and drops the copy.
    Packed packed[V::kTilePanels] = {packed_panel(args, row)};
    for (int p = 1; p < V::kTilePanels; ++p) {
      packed[p] =
          row + p * kPanelRows < args.row_end ? packed_panel(args, row + p * kPanelRows) : packed[p - 1];
    }
    const Unpacked unpacked(args.scratch);
    const size_t steps = args.activations.padded_cols / step_columns(F);
    const size_t fit = args.tile_bytes / Unpacked::kStepBytes, most = fit == 0 ? 1 : fit;
    for (size_t first = 0; first < steps; first += most) {
      const size_t count = steps - first < most ? steps - first : most;
      unpacked.fill(packed, first, count);
      multiply_unpacked<V>(unpacked,
                           {first,
                            count,
                            first + count == steps,
                            reinterpret_cast<float*>(args.scratch + kTileScratchBytes),
                            {args, row}},
                           args.activations, begin, end);
    }
  }
};

}  // namespace nibble::simd
