#pragma once

#include <stdint.h>

/// The tiles and their shapes, for the instructions (amx/tiles.h) and their emulation alike; whoever includes
/// this has defined NIBBLE_AMX.
namespace nibble::NIBBLE_AMX {

inline constexpr int kTiles = 8, kTileRows = 16, kTileRowBytes = 64;

/// What LDTILECFG loads: the shape of each tile.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

}  // namespace nibble::NIBBLE_AMX
