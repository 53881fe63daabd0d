#include "quantize/sparse_row.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/error.h"
#include "quantize/quantize_row.h"
#include "quantize/test_matrices.h"
#include "quantize/test_rows.h"

namespace nibble::sparse_row_test {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kRows = 4, kCols = 512;

std::vector<DType> sparse_dtypes() {
  std::vector<DType> dtypes;
  for (const DTypeInfo& info : all_dtypes()) {
    if (dense_dtype(info.dtype)) dtypes.push_back(info.dtype);
  }
  return dtypes;
}

/// Two of each four are zero in even blocks, any sixteen of 32 in odd ones.
std::vector<float> half_zeros() {
  std::vector<float> x = make_values(Distribution::laplace, kRows * kCols);
  SplitMix64 random(4);
  for (size_t first = 0; first < x.size(); first += 32) {
    if (first / 32 % 2 == 0) {
      for (size_t i = first; i < first + 32; i += 4) {
        const size_t one = random.next() % 4;
        x[i + one] = x[i + (one + 1 + random.next() % 3) % 4] = 0;
      }
      continue;
    }
    for (size_t zeros = 0; zeros < 16;) {
      float& value = x[first + random.next() % 32];
      zeros += value != 0;
      value = 0;
    }
  }
  return x;
}

class SparseRow : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, SparseRow, ::testing::ValuesIn(sparse_dtypes()),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST_P(SparseRow, HoldsTheValuesOfItsDenseTwinInFewerBytes) {
  const DType dense = dense_dtype(GetParam()).value();
  EXPECT_EQ(sparse_dtype(dense), GetParam());
  EXPECT_LT(row_bytes(GetParam(), kCols), 8 * row_bytes(dense, kCols) / 10);
  const std::vector<float> x = half_zeros();
  std::vector<float> importance(kCols);
  for (size_t j = 0; j < kCols; ++j) importance[j] = float(1 + j % 5);
  for (const float* weights :
       {static_cast<const float*>(nullptr), static_cast<const float*>(importance.data())}) {
    EXPECT_EQ(rounded_to_nearest(GetParam(), x, kCols, weights),
              rounded_to_nearest(dense, x, kCols, weights));
  }
}

TEST_P(SparseRow, ABlockWithMoreThanItStoresIsRefused) {
  std::vector<float> x(64, 0.0f);
  for (size_t i = 32; i < 48; ++i) x[i] = i % 2 ? 1.0f : -1.0f;
  std::vector<std::byte> row(row_bytes(GetParam(), 64));
  quantize_row(GetParam(), x.data(), row.data(), 64);
  std::vector<float> y(64);
  dequantize_row(GetParam(), row.data(), y.data(), 64);
  for (size_t i = 0; i < 64; ++i) EXPECT_NEAR(y[i], x[i], 0.01f);
  x[63] = 1.0f;
  try {
    quantize_row(GetParam(), x.data(), row.data(), 64);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("stores 16 of each 32 weights, and 17 are not zero"));
  }
}

TEST(SparseRow, OtherTypesHaveNoTwin) {
  EXPECT_EQ(sparse_dtypes(), (std::vector<DType>{DType::Q8_S50, DType::Q4_S50}));
  EXPECT_FALSE(sparse_dtype(DType::F16));
  std::byte block[32] = {};
  EXPECT_THROW(store_sparse_row(DType::Q8_0, block, block, 32), Error);
}

}  // namespace
}  // namespace nibble::sparse_row_test
