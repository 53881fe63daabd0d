#pragma once

/// Included before everything else where AMX kernels are compiled for machines without it, in place of
/// kernels/amx/tiles.h: the tile instructions by the pseudo-code of Intel's Software Developer's Manual,
/// volume 2. What a processor would fault on ends the program.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NIBBLE_AMX emulated_amx

#include "kernels/amx/tile_config.h"

namespace nibble::emulated_amx {

struct Tile {
  int rows = 0, row_bytes = 0;
  uint8_t data[kTileRows][kTileRowBytes] = {};

  template <typename Element>
  Element get(int row, int index) const {
    Element element;
    memcpy(&element, data[row] + index * sizeof(element), sizeof(element));
    return element;
  }
  template <typename Element>
  void set(int row, int index, Element element) {
    memcpy(data[row] + index * sizeof(element), &element, sizeof(element));
  }
};

/// The registers of the thread.
struct Tiles {
  bool configured = false;
  Tile tiles[kTiles];
};
inline Tiles& tiles() {
  static thread_local Tiles state;
  return state;
}

[[noreturn]] inline void fault(const char* why) {
  fprintf(stderr, "tile instruction: %s\n", why);
  abort();
}

inline Tile& tile(int index) {
  if (!tiles().configured) fault("no configuration is loaded");
  Tile& t = tiles().tiles[index];
  if (t.rows == 0) fault("the tile is not configured");
  return t;
}

inline void load_config(const TileConfig& config) {
  if (config.palette != 1) fault("unknown palette");
  for (uint8_t byte : config.reserved) {
    if (byte != 0) fault("a reserved byte is set");
  }
  tiles() = Tiles{};
  tiles().configured = true;
  for (int i = 0; i < 16; ++i) {
    const int rows = config.rows[i], row_bytes = config.row_bytes[i];
    if (i >= kTiles && (rows != 0 || row_bytes != 0)) fault("there are eight tiles");
    if (rows > kTileRows || row_bytes > kTileRowBytes) fault("a tile is too large");
    if ((rows == 0) != (row_bytes == 0)) fault("a tile has rows or columns alone");
    if (i >= kTiles) continue;
    tiles().tiles[i].rows = rows;
    tiles().tiles[i].row_bytes = row_bytes;
  }
}
inline void release_tiles() {
  tiles() = Tiles{};
}
template <int T>
void zero_tile() {
  Tile& t = tile(T);
  memset(t.data, 0, sizeof(t.data));
}
template <int T>
void load_tile(const void* from, size_t stride) {
  zero_tile<T>();
  Tile& t = tile(T);
  for (int row = 0; row < t.rows; ++row)
    memcpy(t.data[row], static_cast<const char*>(from) + row * stride, size_t(t.row_bytes));
}
template <int T>
void store_tile(void* to, size_t stride) {
  const Tile& t = tile(T);
  for (int row = 0; row < t.rows; ++row)
    memcpy(static_cast<char*>(to) + row * stride, t.data[row], size_t(t.row_bytes));
}

/// What every product of tiles asks of their shapes.
inline void check_product(int c, int a, int b) {
  if (c == a || c == b || a == b) fault("a product needs three different tiles");
  const Tile &tc = tile(c), &ta = tile(a), &tb = tile(b);
  if (tc.row_bytes % 4 != 0 || ta.row_bytes % 4 != 0 || tb.row_bytes % 4 != 0) fault("columns of four bytes");
  if (tc.rows != ta.rows) fault("the product's rows are those of A");
  if (tc.row_bytes != tb.row_bytes) fault("the product's columns are those of B");
  if (ta.row_bytes / 4 != tb.rows) fault("B's rows are A's columns");
}

template <int C, int A, int B>
void dot_int8() {
  check_product(C, A, B);
  Tile& c = tile(C);
  const Tile &a = tile(A), &b = tile(B);
  for (int m = 0; m < c.rows; ++m) {
    for (int k = 0; k < a.row_bytes / 4; ++k) {
      for (int n = 0; n < c.row_bytes / 4; ++n) {
        // Wraps around as the instruction's adder does.
        uint32_t sum = c.get<uint32_t>(m, n);
        for (int i = 0; i < 4; ++i) {
          sum += uint32_t(int32_t(a.get<int8_t>(m, 4 * k + i)) * int32_t(b.get<int8_t>(k, 4 * n + i)));
        }
        c.set(m, n, sum);
      }
    }
  }
}

/// A denormal as the zero of its sign: DAZ and FTZ.
inline float flush(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  if ((bits & 0x7f800000u) == 0) bits &= 0x80000000u;
  memcpy(&x, &bits, sizeof(x));
  return x;
}
inline float wide(uint16_t bfloat16) {
  const uint32_t bits = uint32_t(bfloat16) << 16;
  float x;
  memcpy(&x, &bits, sizeof(x));
  return flush(x);
}
inline float flushed_fma(float a, float b, float c) {
  return flush(__builtin_fmaf(a, b, c));
}
inline float flushed_sum(float a, float b) {
  return flush(flush(a) + flush(b));
}

template <int C, int A, int B>
void dot_bfloat16() {
  check_product(C, A, B);
  Tile& c = tile(C);
  const Tile &a = tile(A), &b = tile(B);
  for (int m = 0; m < c.rows; ++m) {
    // Even and odd columns of A have sums of their own.
    float sums[2 * kTileRowBytes / 4] = {};
    for (int k = 0; k < a.row_bytes / 4; ++k) {
      for (int n = 0; n < c.row_bytes / 4; ++n) {
        for (int i = 0; i < 2; ++i) {
          float& sum = sums[2 * n + i];
          sum = flushed_fma(wide(a.get<uint16_t>(m, 2 * k + i)), wide(b.get<uint16_t>(k, 2 * n + i)), sum);
        }
      }
    }
    for (int n = 0; n < c.row_bytes / 4; ++n) {
      c.set(m, n, flushed_sum(c.get<float>(m, n), flushed_sum(sums[2 * n], sums[2 * n + 1])));
    }
  }
}

}  // namespace nibble::emulated_amx
