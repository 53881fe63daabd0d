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
    IntegerTile<V, UnpackedPanels<V, U>, TokenRows<V>, T>::run(panels, block.steps, {x, token}, block.first,
                                                               acc);
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
  static constexpr size_t kTileRows = V::kTilePanels * kPanelRows, kBlockSteps = F.block / step_columns(F);

  static const uint8_t* panel_bytes(const MatmulArgs& args, size_t row) {
    return reinterpret_cast<const uint8_t*>(args.packed) + row / kPanelRows * F.panel_bytes(args.cols);
  }
  /// From block `first` of its columns on.
  static Packed packed_panel(const MatmulArgs& args, size_t row, size_t first = 0) {
    return Packed(panel_bytes(args, row), first);
  }

  /// Takes the codes apart in registers.
  static void run_few(const MatmulArgs& args) {
    const ActivationArgs& x = args.activations;
    const size_t steps = x.padded_cols / step_columns(F);
    for_each_tile<V::kPackedTokens>(args.first_token, x.tokens, [&]<int T>(size_t token) {
      if constexpr (V::kDotProduct) {
        using Together = TokensTogether<V, F, T>;
        constexpr size_t kMost = kMatmulScratchBytes / Together::kBlockBytes * kBlockSteps;
        for (size_t first = 0; first < steps; first += kMost) {
          const size_t count = steps - first < kMost ? steps - first : kMost;
          run_steps<T>(args, Together(x, token, first, count, args.scratch), token, first, count);
        }
      } else {
        run_steps<T>(args, TokenRows<V>(x, token), token, 0, steps);
      }
    });
  }

  /// Reads steps [first, first + count) of the packed panels once. They are the first ones of `x`.
  template <int T, class Tokens>
  static void run_steps(const MatmulArgs& args, const Tokens& x, size_t token, size_t first, size_t count) {
    const uint8_t* end = panel_bytes(args, args.row_end + kPanelRows - 1);
    for (size_t row = args.row_begin; row < args.row_end; row += kPanelRows) {
      const PackedSteps<V, F> panel(packed_panel(args, row, first / kBlockSteps), end);
      const Outputs<V, 1> y(args, row);
      typename V::Float acc[T][V::kRowVectors];
      if (first == 0) {
        set_zero<V>(acc);
      } else {
        y.load(token, acc);
      }
      IntegerTile<V, PackedSteps<V, F>, Tokens, T>::run(panel, count, x, 0, acc);
      y.store(token, acc);
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
