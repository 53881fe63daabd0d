#include "kernels/emulation/amx_emulation.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

/// The emulation against results worked out by hand from Intel's description of the instructions: what it
/// proves about the AMX kernels is worth what it is.
namespace nibble::emulated_amx {
namespace {

/// A product of C [rows, 16 dwords] = A [rows, k bytes] * B [k / 4 rows, 16 dwords] in tiles 0, 1 and 2.
void configure(int rows, int k) {
  TileConfig config;
  config.rows[0] = config.rows[1] = uint8_t(rows);
  config.rows[2] = uint8_t(k / 4);
  config.row_bytes[0] = config.row_bytes[2] = 64;
  config.row_bytes[1] = uint16_t(k);
  load_config(config);
}

TEST(AmxEmulation, TilesKeepTheRowsAndBytesOfTheirShape) {
  configure(3, 8);
  std::array<uint8_t, 4 * 10> memory;
  for (size_t i = 0; i < memory.size(); ++i) memory[i] = uint8_t(i + 1);
  load_tile<1>(memory.data(), 10);
  std::array<uint8_t, 4 * 9> stored{};
  store_tile<1>(stored.data(), 9);
  for (size_t row = 0; row < 4; ++row) {
    for (size_t i = 0; i < 9; ++i) {
      EXPECT_EQ(stored[row * 9 + i], row < 3 && i < 8 ? row * 10 + i + 1 : 0) << row << " " << i;
    }
  }
  release_tiles();
}

TEST(AmxEmulation, SumsSignedBytesByFours) {
  configure(2, 8);
  int8_t a[2][8] = {{1, 2, 3, 4, 5, 6, 7, 8}, {-128, -128, -128, -128, 127, 127, 127, 127}};
  int8_t b[2][64] = {};  // [k / 4][4 n + k % 4]
  for (int n = 0; n < 16; ++n) b[0][4 * n] = int8_t(n);
  b[1][4 * 3 + 2] = -10;
  for (int i = 0; i < 4; ++i) b[0][4 * 15 + i] = -128;
  int32_t c[2][16] = {};
  c[0][3] = 1000;
  load_tile<0>(c, 64);
  load_tile<1>(a, 8);
  load_tile<2>(b, 64);
  dot_int8<0, 1, 2>();
  store_tile<0>(c, 64);
  EXPECT_EQ(c[0][0], 0);
  EXPECT_EQ(c[0][2], 2);
  EXPECT_EQ(c[0][3], 1000 + 3 - 70);
  EXPECT_EQ(c[0][15], -128 * (1 + 2 + 3 + 4));
  EXPECT_EQ(c[1][2], -256);
  EXPECT_EQ(c[1][3], -3 * 128 - 1270);
  EXPECT_EQ(c[1][15], 4 * 128 * 128);
  release_tiles();
}

uint16_t bfloat16(float x) {
  return uint16_t(std::bit_cast<uint32_t>(x) >> 16);
}

/// The sum for A's row `a` and B's column `b`, added to `before`.
float dot(const std::vector<float>& a, const std::vector<float>& b, float before) {
  configure(1, int(a.size()) * 2);
  uint16_t a_row[32] = {}, b_rows[16][32] = {};
  for (size_t k = 0; k < a.size(); ++k) {
    a_row[k] = bfloat16(a[k]);
    b_rows[k / 2][2 * 5 + k % 2] = bfloat16(b[k]);
  }
  float c[16] = {};
  c[5] = before;
  load_tile<0>(c, 64);
  load_tile<1>(a_row, 64);
  load_tile<2>(b_rows, 64);
  dot_bfloat16<0, 1, 2>();
  store_tile<0>(c, 64);
  release_tiles();
  return c[5];
}

TEST(AmxEmulation, SumsEvenAndOddBfloat16Apart) {
  EXPECT_EQ(dot({1, 2, 3, 4}, {5, 6, 7, 8}, 100), 170.0f);
  // 2^24 + 1 rounds to even; each chain sees its own columns alone.
  EXPECT_EQ(dot({0x1p24f, 1, 1, 1}, {1, 1, 1, 1}, 0), 0x1p24f + 2);
  EXPECT_EQ(dot({0x1p24f, 1, 1, 0}, {1, 1, 1, 0}, 0), 0x1p24f);
  // The sum of the products joins the accumulator last.
  EXPECT_EQ(dot({-0x1p24f, 0}, {1, 0}, 0x1p24f), 0.0f);
  EXPECT_EQ(dot({0x1p24f, 1}, {1, 1}, -0x1p24f), 0.0f);
}

TEST(AmxEmulation, RoundsAProductOnce) {
  // 129 * 129 / 2^14 = 1 + 2^-6 + 2^-14 and 2^24 of it keeps the lowest bit only if the product is exact.
  const float x = 1.0f + 0x1p-7f;
  EXPECT_EQ(dot({x, 0, -1, 0}, {x, 0, 1 + 0x1p-6f, 0}, 0), 0x1p-14f);
}

TEST(AmxEmulation, FlushesDenormals) {
  EXPECT_EQ(dot({0x1p-127f, 0}, {0x1p127f, 0}, 0), 0.0f) << "input";
  EXPECT_EQ(dot({0x1p-100f, 0}, {0x1p-27f, 0}, 0), 0.0f) << "output";
  EXPECT_EQ(dot({0x1p-100f, 0}, {0x1p-26f, 0}, 0), 0x1p-126f);
  EXPECT_EQ(dot({1, 0}, {0, 0}, 0x1p-127f), 0.0f) << "accumulator";
}

TEST(AmxEmulation, KeepsInfinities) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(dot({infinity, 0}, {2, 0}, 1), infinity);
  EXPECT_TRUE(std::isnan(dot({infinity, 0}, {0, 0}, 1)));
}

TEST(AmxEmulationDeathTest, FaultsAsTheProcessorWould) {
  release_tiles();
  EXPECT_DEATH(zero_tile<0>(), "no configuration");
  configure(2, 8);
  EXPECT_DEATH(zero_tile<3>(), "not configured");
  EXPECT_DEATH((dot_int8<0, 1, 1>()), "three different tiles");
  EXPECT_DEATH((dot_int8<0, 2, 1>()), "columns are those of B");
  EXPECT_DEATH(configure(17, 8), "too large");
  EXPECT_DEATH(configure(0, 8), "alone");
  release_tiles();
}

}  // namespace
}  // namespace nibble::emulated_amx
