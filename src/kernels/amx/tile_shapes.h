#pragma once

#include "kernels/amx/tiles.h"
#include "kernels/avx512/vectors.h"
#include "kernels/matmul_args.h"
#include "kernels/simd/tiles.h"

/// How AMX's kernels use the eight tiles. A tile of tokens or a panel of rows has 16 of them; two of each
/// make four tiles of sums, so that each load serves two products (BF16; integers take tiles 0, 4 and 6):
///   0 1   sums of tokens 0 .. 15 with panels 0 and 1
///   2 3   sums of tokens 16 .. 31
///   4 5   activations, tokens 0 .. 15 and 16 .. 31
///   6 7   weights, panels 0 and 1
namespace nibble::NIBBLE_AMX {
namespace {

constexpr size_t kTileTokens = 16, kTokens = 2 * kTileTokens, kPanels = 2;

/// Tiles for `tokens` tokens.
inline TileConfig tile_config(size_t tokens) {
  TileConfig config;
  const size_t lower = tokens < kTileTokens ? tokens : kTileTokens;
  const auto shape = [&](size_t tile, size_t rows) {
    config.rows[tile] = uint8_t(rows);
    config.row_bytes[tile] = uint16_t(rows == 0 ? 0 : kTileRowBytes);
  };
  for (size_t i = 0; i < 2; ++i) {
    const size_t rows = i == 0 ? lower : tokens - lower;
    shape(2 * i, rows);
    shape(2 * i + 1, rows);
    shape(4 + i, rows);
    shape(6 + i, kTileRows);
  }
  return config;
}

/// The tiles while a kernel runs. Loads a configuration only where it changes, for the last tokens.
class TileShapes {
 public:
  TileShapes() = default;
  ~TileShapes() { release_tiles(); }
  TileShapes(const TileShapes&) = delete;
  TileShapes& operator=(const TileShapes&) = delete;

  void set(size_t tokens) {
    if (tokens != tokens_) load_config(tile_config(tokens));
    tokens_ = tokens;
  }

 private:
  size_t tokens_ = 0;
};

/// The outputs that the tiles compute together.
struct OutputTile {
  size_t row, panels;    ///< the first row and 1 or 2 panels of rows from there
  size_t token, tokens;  ///< the first token and up to kTokens

  bool more_panels() const { return panels > 1; }
  bool more_tokens() const { return tokens > kTileTokens; }
};

/// Their accumulators.
struct alignas(64) Accumulators {
  float values[kPanels][kTokens][kPanelRows];
};
constexpr size_t kSumStride = kPanelRows * sizeof(float);

inline void load_outputs(const MatmulArgs& args, const OutputTile& tile, Accumulators& acc) {
  for (size_t p = 0; p < tile.panels; ++p) {
    const simd::Outputs<Avx512Vectors, 1> y(args, tile.row + p * kPanelRows);
    for (size_t t = 0; t < tile.tokens; ++t) {
      __m512 value[1][1];
      y.load(tile.token + t, value);
      Avx512Vectors::store_float(acc.values[p][t], value[0][0]);
    }
  }
}

inline void store_outputs(const MatmulArgs& args, const OutputTile& tile, const Accumulators& acc) {
  for (size_t p = 0; p < tile.panels; ++p) {
    const simd::Outputs<Avx512Vectors, 1> y(args, tile.row + p * kPanelRows);
    for (size_t t = 0; t < tile.tokens; ++t) {
      const __m512 value[1][1] = {{Avx512Vectors::load_float(acc.values[p][t])}};
      y.store(tile.token + t, value);
    }
  }
}

/// Calls body(token, tokens) for the tiles of tokens [begin, end).
template <class Body>
NIBBLE_INLINE void for_each_token_tile(size_t begin, size_t end, Body&& body) {
  for (size_t token = begin; token < end; token += kTokens) {
    body(token, end - token < kTokens ? end - token : kTokens);
  }
}

}  // namespace
}  // namespace nibble::NIBBLE_AMX
