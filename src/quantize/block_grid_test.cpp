#include "quantize/block_grid.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantize/quantize_row.h"
#include "quantize/test_matrices.h"
#include "quantize/test_rows.h"
#include "tensor/dequantize.h"

namespace nibble::block_grid_test {
namespace {

class GridDType : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, GridDType, ::testing::ValuesIn(grid_dtypes()),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST_P(GridDType, ScalesAndCodesMakeTheValuesOfTheBlock) {
  const DType dtype = GetParam();
  constexpr uint64_t kCols = 256;
  const uint64_t block = scale_block(dtype, kCols), bytes = row_bytes(dtype, kCols) / (kCols / block);
  const std::vector<float> x = make_values(Distribution::laplace, kCols);
  std::vector<std::byte> row(row_bytes(dtype, kCols)), again;
  quantize_row(dtype, x.data(), row.data(), kCols);
  std::vector<float> y(kCols), z(kCols), scale(block), offset(block);
  dequantize_row(dtype, row.data(), y.data(), kCols);
  again = row;
  const Grid grid = grid_of(dtype);
  for (uint64_t b = 0; b < kCols / block; ++b) {
    read_scales(dtype, &row[b * bytes], block, scale.data(), offset.data());
    std::vector<uint8_t> codes(block);
    // Other codes first, so that none of those that are there can stay.
    write_codes(dtype, codes.data(), block, &again[b * bytes]);
    for (uint64_t j = 0; j < block; ++j) {
      const GridPoint point = nearest(grid, y[b * block + j], scale[j], offset[j]);
      codes[j] = point.code;
      EXPECT_NEAR(point.value, y[b * block + j], 1e-5f * std::abs(scale[j]) * float(grid.largest + 128));
    }
    write_codes(dtype, codes.data(), block, &again[b * bytes]);
  }
  dequantize_row(dtype, again.data(), z.data(), kCols);
  EXPECT_EQ(y, z);
}

TEST(BlockGrid, TypesWithoutCodesOfTheirOwn) {
  for (const DType dtype : {DType::F32, DType::F16, DType::BF16, DType::NF4_DQ, DType::FP4_DQ}) {
    EXPECT_FALSE(has_grid(dtype)) << dtype_name(dtype);
  }
  EXPECT_EQ(scale_block(DType::INT8, 100), 100u);
  EXPECT_EQ(scale_block(DType::Q4_K, 512), 256u);
}

TEST(BlockGrid, AnOffsetIsStoredAndTheScaleStays) {
  std::vector<DType> with_offset;
  for (const DType dtype : grid_dtypes()) {
    if (block_scales(dtype) == BlockScales::scale_and_offset) with_offset.push_back(dtype);
  }
  EXPECT_EQ(with_offset, (std::vector<DType>{DType::Q4_1, DType::Q5_1, DType::UINT4_G64, DType::UINT4_G128}));
  for (const DType dtype : with_offset) {
    const uint64_t block = scale_block(dtype, 128);
    const std::vector<float> x = make_values(Distribution::gauss, block);
    std::vector<std::byte> bytes(row_bytes(dtype, block));
    quantize_row(dtype, x.data(), bytes.data(), block);
    std::vector<float> before(block), after(block), offset(block);
    read_scales(dtype, bytes.data(), block, before.data(), offset.data());
    for (const auto& [written, stored] : {std::pair(-0.25f, -0.25f), std::pair(-1e9f, -65504.0f)}) {
      write_scales(dtype, before[0], written, bytes.data());
      read_scales(dtype, bytes.data(), block, after.data(), offset.data());
      EXPECT_EQ(offset, std::vector<float>(block, stored));
      EXPECT_EQ(after, before);
    }
  }
}

TEST(BlockGrid, NearestTakesTheNearerOfTwoLevelsAndTheEnds) {
  const Grid iq4 = grid_of(DType::IQ4_NL);
  EXPECT_EQ(nearest(iq4, -200.0f, 1.0f, 0.0f).value, -127.0f);
  EXPECT_EQ(nearest(iq4, 200.0f, 1.0f, 0.0f).value, 113.0f);
  EXPECT_EQ(nearest(iq4, 6.0f, 1.0f, 0.0f).value, 1.0f);
  EXPECT_EQ(nearest(iq4, 8.0f, -1.0f, 0.0f).value, 10.0f);
  const Grid q4 = grid_of(DType::Q4_0);
  EXPECT_EQ(nearest(q4, 0.9f, 0.5f, -4.0f).code, 10);
  EXPECT_EQ(nearest(q4, 100.0f, 0.0f, 0.0f).value, 0.0f);
}

}  // namespace
}  // namespace nibble::block_grid_test
