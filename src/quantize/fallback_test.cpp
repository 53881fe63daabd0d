#include "quantize/fallback.h"

#include <gtest/gtest.h>

namespace nibble {
namespace {

TEST(Fallback, KeepsTheTypeWhenItsBlockDividesTheRow) {
  for (const DTypeInfo& info : all_dtypes())
    EXPECT_EQ(fallback_dtype(info.dtype, 4096), info.dtype) << info.name;
}

TEST(Fallback, KQuantsFallBackAsLlamaCpp) {
  EXPECT_EQ(fallback_dtype(DType::Q2_K, 576), DType::IQ4_NL);
  EXPECT_EQ(fallback_dtype(DType::Q3_K, 576), DType::IQ4_NL);
  EXPECT_EQ(fallback_dtype(DType::IQ4_XS, 576), DType::IQ4_NL);
  EXPECT_EQ(fallback_dtype(DType::Q4_K, 576), DType::Q5_0);
  EXPECT_EQ(fallback_dtype(DType::Q5_K, 576), DType::Q5_1);
  EXPECT_EQ(fallback_dtype(DType::Q6_K, 576), DType::Q8_0);
}

TEST(Fallback, GroupsShrinkBeforeTheTypeChanges) {
  EXPECT_EQ(fallback_dtype(DType::INT4_G128, 64 * 9), DType::INT4_G64);
  EXPECT_EQ(fallback_dtype(DType::INT4_G128, 32 * 9), DType::Q4_0);
  EXPECT_EQ(fallback_dtype(DType::UINT4_G128, 64 * 9), DType::UINT4_G64);
  EXPECT_EQ(fallback_dtype(DType::UINT4_G64, 32 * 9), DType::Q4_1);
  EXPECT_EQ(fallback_dtype(DType::NF4_DQ, 32 * 9), DType::IQ4_NL);
}

TEST(Fallback, AnyRowGetsATypeThatTakesIt) {
  for (const DTypeInfo& info : all_dtypes()) {
    for (const uint64_t cols : {1, 7, 33, 48, 96, 160, 320, 1000, 11008}) {
      const DType dtype = fallback_dtype(info.dtype, cols);
      EXPECT_EQ(cols % dtype_info(dtype).block_elements, 0u) << info.name << " " << cols;
    }
    if (info.block_elements > 1) {
      EXPECT_EQ(fallback_dtype(info.dtype, 31), DType::F16) << info.name;
    }
  }
}

}  // namespace
}  // namespace nibble
