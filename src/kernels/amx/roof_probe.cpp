#include <stdint.h>

#include "kernels/amx/tiles.h"

namespace nibble::NIBBLE_AMX {

uint64_t probe_multiply(uint64_t rounds) {
  // Tiles 0 to 3 are sums, since a product starts every 16 cycles and ends after 52; 4 to 7 are factors.
  TileConfig config;
  for (int i = 0; i < kTiles; ++i) {
    config.rows[i] = kTileRows;
    config.row_bytes[i] = kTileRowBytes;
  }
  load_config(config);
  alignas(64) int8_t factors[2][kTileRows * kTileRowBytes];
  for (int8_t& a : factors[0]) a = 3;
  for (int8_t& b : factors[1]) b = 5;
  load_tile<4>(factors[0], kTileRowBytes);
  load_tile<5>(factors[0], kTileRowBytes);
  load_tile<6>(factors[1], kTileRowBytes);
  load_tile<7>(factors[1], kTileRowBytes);
  zero_tile<0>();
  zero_tile<1>();
  zero_tile<2>();
  zero_tile<3>();
  for (uint64_t round = 0; round < rounds; ++round) {
    dot_int8<0, 4, 6>();
    dot_int8<1, 4, 7>();
    dot_int8<2, 5, 6>();
    dot_int8<3, 5, 7>();
  }
  alignas(64) uint32_t sums[4][kTileRows * kTileRowBytes / 4];
  store_tile<0>(sums[0], kTileRowBytes);
  store_tile<1>(sums[1], kTileRowBytes);
  store_tile<2>(sums[2], kTileRowBytes);
  store_tile<3>(sums[3], kTileRowBytes);
  release_tiles();
  uint32_t total = 0;
  for (const auto& tile : sums) {
    for (const uint32_t sum : tile) total += sum;
  }
  return total;
}

}  // namespace nibble::NIBBLE_AMX
