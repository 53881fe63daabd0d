#include "tensor/dequantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "tensor/blocks.h"
#include "tensor/sparse_blocks.h"

namespace nibble {
namespace {

std::vector<float> dequantized(DType dtype, const void* row, uint64_t cols) {
  std::vector<float> out(cols);
  dequantize_row(dtype, static_cast<const std::byte*>(row), out.data(), cols);
  return out;
}

/// Values by the gguf Python package (tests/reference/make_dequantize_golden.py).
TEST(Dequantize, EqualsGgufPackageBitForBit) {
  const std::string golden = read_file(std::string(NIBBLE_SOURCE_DIR) + "/tests/golden/dequantize.bin");
  size_t position = 0, types = 0;
  const auto take = [&](void* to, size_t size) {
    ASSERT_LE(position + size, golden.size());
    std::memcpy(to, golden.data() + position, size);
    position += size;
  };
  while (position < golden.size()) {
    uint32_t header[3];
    take(header, sizeof(header));
    std::vector<std::byte> bytes(header[1]);
    std::vector<float> expected(header[2]);
    take(bytes.data(), bytes.size());
    take(expected.data(), expected.size() * sizeof(float));
    const DType dtype = DType(header[0]);
    SCOPED_TRACE(dtype_name(dtype));
    ASSERT_EQ(row_bytes(dtype, expected.size()), bytes.size());
    const std::vector<float> actual = dequantized(dtype, bytes.data(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(actual[i]), std::bit_cast<uint32_t>(expected[i])) << "element " << i;
    }
    ++types;
  }
  EXPECT_EQ(types, 15u);
}

TEST(Dequantize, Float32IsCopied) {
  const std::vector<float> x = {1.5f, -0.0f, INFINITY};
  EXPECT_EQ(dequantized(DType::F32, x.data(), 3), x);
}

TEST(Dequantize, Int8HasOneScalePerRow) {
  std::vector<std::byte> row(kInt8RowHeaderBytes + 3);
  const float scale = 0.5f;
  const int8_t q[3] = {-128, 0, 3};
  std::memcpy(row.data(), &scale, 4);
  std::memcpy(row.data() + 4, q, 3);
  EXPECT_EQ(dequantized(DType::INT8, row.data(), 3), (std::vector<float>{-64.0f, 0.0f, 1.5f}));
}

TEST(Dequantize, SymmetricInt4GroupsSplitInHalves) {
  BlockInt4<64> block{};
  block.d = float_to_half(0.25f);
  block.qs[0] = 0xf0;   // q[0] = 0, q[32] = 15
  block.qs[31] = 0x98;  // q[31] = 8, q[63] = 9
  const auto x = dequantized(DType::INT4_G64, &block, 64);
  EXPECT_EQ(x[0], -2.0f);
  EXPECT_EQ(x[32], 1.75f);
  EXPECT_EQ(x[31], 0.0f);
  EXPECT_EQ(x[63], 0.25f);
  BlockInt4<128> wide{};
  wide.d = float_to_half(1.0f);
  wide.qs[63] = 0x1a;
  const auto y = dequantized(DType::INT4_G128, &wide, 128);
  EXPECT_EQ(y[63], 2.0f);
  EXPECT_EQ(y[127], -7.0f);
}

TEST(Dequantize, AsymmetricInt4AddsTheMin) {
  BlockUint4<64> block{float_to_half(0.5f), float_to_half(-3.0f), {}};
  block.qs[5] = 0x2f;
  const auto x = dequantized(DType::UINT4_G64, &block, 64);
  EXPECT_EQ(x[5], 4.5f);
  EXPECT_EQ(x[37], -2.0f);
  EXPECT_EQ(x[0], -3.0f);
  BlockUint4<128> wide{float_to_half(2.0f), float_to_half(1.0f), {}};
  wide.qs[0] = 0x40;
  EXPECT_EQ(dequantized(DType::UINT4_G128, &wide, 128)[64], 9.0f);
}

TEST(Dequantize, SparseBlocksHaveZerosWhereTheMaskHasNone) {
  BlockQ8_S50 eight{float_to_half(0.5f), {0x05, 0, 0, 0x80}, {3, -128, 7, 99}};
  std::vector<float> expected(32, 0.0f);
  expected[0] = 1.5f, expected[2] = -64.0f, expected[31] = 3.5f;
  EXPECT_EQ(dequantized(DType::Q8_S50, &eight, 32), expected);

  BlockQ4_S50 four{float_to_half(2.0f), {0xff, 0x03, 0, 0}, {}};
  four.qs[0] = 0xf0;  // the first and the ninth stored one
  four.qs[1] = 0x89;
  std::fill_n(four.qs + 2, 6, uint8_t(0x88));
  expected.assign(32, 0.0f);
  expected[0] = -16.0f, expected[1] = 2.0f, expected[8] = 14.0f;
  EXPECT_EQ(dequantized(DType::Q4_S50, &four, 32), expected);
}

/// A file may hold any mask: what has no place is 0.
TEST(Dequantize, SparseBlocksWithTooManyBitsEndAtTheirValues) {
  BlockQ8_S50 eight{float_to_half(1.0f), {0xff, 0xff, 0xff, 0xff}, {}};
  std::fill_n(eight.qs, 16, int8_t(5));
  BlockQ4_S50 four{float_to_half(1.0f), {0xff, 0xff, 0xff, 0xff}, {}};
  std::fill_n(four.qs, 8, uint8_t(0xdd));
  std::vector<float> expected(32, 0.0f);
  std::fill_n(expected.begin(), 16, 5.0f);
  EXPECT_EQ(dequantized(DType::Q8_S50, &eight, 32), expected);
  EXPECT_EQ(dequantized(DType::Q4_S50, &four, 32), expected);
}

TEST(Dequantize, FloatFourLooksUpItsTable) {
  BlockNF4 block{2.0f, {}};
  block.qs[0] = 0x0f;  // element 0: the largest, element 32: the smallest
  const auto nf4 = dequantized(DType::NF4, &block, 64);
  EXPECT_EQ(nf4[0], 2.0f);
  EXPECT_EQ(nf4[32], -2.0f);
  const auto fp4 = dequantized(DType::FP4, &block, 64);
  EXPECT_EQ(fp4[0], -0.5f);
  EXPECT_EQ(fp4[32], 0.0f);
}

TEST(Dequantize, PlanesCannotBeCutIntoRows) {
  const std::byte byte{};
  float out = 0;
  EXPECT_THROW(dequantize_row(DType::NF4_DQ, &byte, &out, 64), Error);
}

/// Properties of bitsandbytes' create_dynamic_map(signed=True, max_exponent_bits=7, total_bits=8).
TEST(Dequantize, DynamicMapHasSevenDecades) {
  const auto& values = dynamic8_values();
  EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
  EXPECT_EQ(values[0], -0.99296875f);
  EXPECT_EQ(values[127], 0.0f);
  EXPECT_EQ(values[255], 1.0f);
  EXPECT_EQ(values[254], 0.99296875f);
  // As bitsandbytes has them: torch.linspace rounds once.
  EXPECT_EQ(values[18], -0.7398437261581421f);
  EXPECT_EQ(values[20], -0.7117187976837158f);
  EXPECT_EQ(values[30], -0.5710937976837158f);
  EXPECT_FLOAT_EQ(values[128], 5.5e-7f);
  EXPECT_FLOAT_EQ(values[129], 3.25e-6f);
  EXPECT_FLOAT_EQ(values[130], 7.75e-6f);
  EXPECT_FLOAT_EQ(values[191], 0.10703125f);
}

/// Two rows of 64 x 5 elements, so that a row ends inside a byte plane and scales differ by block.
TEST(Dequantize, DoubleQuantizedPlanesCoverTheWholeTensor) {
  constexpr uint64_t kRows = 2, kCols = 320, kBlocks = kRows * kCols / 64;
  std::vector<std::byte> bytes(double_quantized_bytes(kRows * kCols));
  auto* codes = reinterpret_cast<uint8_t*>(bytes.data());
  for (uint64_t i = 0; i < kRows * kCols / 2; ++i) codes[i] = uint8_t(i * 37 + 11);
  uint8_t* scale_codes = codes + kRows * kCols / 2;
  for (uint64_t i = 0; i < kBlocks; ++i) scale_codes[i] = uint8_t(140 + 9 * i);
  const uint64_t head = (kRows * kCols / 2 + kBlocks + 3) / 4 * 4;
  const float tail[2] = {0.75f, 0.125f};  // the one second-level scale, the mean
  ASSERT_EQ(head + sizeof(tail), bytes.size());
  std::memcpy(bytes.data() + head, tail, sizeof(tail));

  const TensorView tensor{"w", DType::NF4_DQ, {kRows, kCols}, bytes};
  std::vector<float> second(kCols);
  dequantize_rows(tensor, 1, 1, second.data());
  for (uint64_t c = 0; c < kCols; ++c) {
    const uint64_t element = kCols + c;
    const uint8_t pair = codes[element / 2];
    const uint8_t code = element % 2 == 0 ? pair >> 4 : pair & 15;
    const float scale = dynamic8_values()[scale_codes[element / 64]] * 0.75f + 0.125f;
    ASSERT_EQ(second[c], scale * kNF4Values[code]) << c;
  }
}

TEST(Dequantize, RowsOfATensorFollowItsStride) {
  std::vector<BlockQ8_0> blocks(6);
  for (size_t i = 0; i < blocks.size(); ++i) {
    blocks[i].d = float_to_half(float(i + 1));
    std::fill_n(blocks[i].qs, 32, int8_t(1));
  }
  const auto bytes = std::as_bytes(std::span(blocks));
  const TensorView tensor{"w", DType::Q8_0, {3, 64}, bytes};
  std::vector<float> out(128);
  dequantize_rows(tensor, 1, 2, out.data());
  EXPECT_EQ(out[0], 3.0f);
  EXPECT_EQ(out[127], 6.0f);
}

}  // namespace
}  // namespace nibble
