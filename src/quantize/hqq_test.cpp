#include "quantize/hqq.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "quantize/block_grid.h"
#include "quantize/quantize_row.h"
#include "quantize/test_golden.h"
#include "quantize/test_matrices.h"
#include "quantize/test_rows.h"
#include "tensor/dequantize.h"

namespace nibble::hqq_test {
namespace {

std::vector<DType> hqq_dtypes() {
  std::vector<DType> dtypes;
  for (const DTypeInfo& info : all_dtypes()) {
    if (has_hqq(info.dtype)) dtypes.push_back(info.dtype);
  }
  return dtypes;
}

double lp_error(const std::vector<float>& x, const std::vector<float>& y, double p) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += std::pow(std::abs(double(x[i]) - double(y[i])), p);
  return sum;
}

class HqqDType : public ::testing::TestWithParam<DType> {
 protected:
  static constexpr uint64_t kCols = 128 * 64;

  std::vector<float> hqq(const std::vector<float>& x, const HqqOptions& options = {}) {
    std::vector<std::byte> row(row_bytes(GetParam(), x.size()));
    hqq_quantize_row(GetParam(), x.data(), row.data(), x.size(), options);
    return dequantized(GetParam(), row, x.size());
  }
  std::vector<float> rtn(const std::vector<float>& x) { return rounded_to_nearest(GetParam(), x, x.size()); }
};
INSTANTIATE_TEST_SUITE_P(Types, HqqDType, ::testing::ValuesIn(hqq_dtypes()),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST_P(HqqDType, NoBlockLosesMoreInTheNormThanRoundToNearest) {
  const std::vector<float> x = make_values(Distribution::student3, kCols), y = hqq(x), z = rtn(x);
  const uint64_t block = scale_block(GetParam(), kCols);
  const auto part = [&](const std::vector<float>& values, uint64_t first) {
    return std::vector<float>(values.begin() + int64_t(first), values.begin() + int64_t(first + block));
  };
  for (uint64_t first = 0; first < kCols; first += block) {
    const auto values = part(x, first);
    EXPECT_LE(lp_error(values, part(y, first), 0.7), 1.0001 * lp_error(values, part(z, first), 0.7)) << first;
  }
  EXPECT_LT(lp_error(x, y, 0.7), lp_error(x, z, 0.7));
}

/// Weights on a grid, and some in every block that are far off it: least squares gives way to these.
TEST_P(HqqDType, ForgivesAFewWeightsThatLieOffTheGrid) {
  const uint64_t block = scale_block(GetParam(), kCols);
  std::vector<float> x = rtn(make_values(Distribution::gauss, kCols));
  for (uint64_t j = 5; j < kCols; j += block) x[j] *= 1.15f;
  const std::vector<float> y = hqq(x), z = rtn(x);
  const auto exact = [&](const std::vector<float>& values) {
    size_t count = 0;
    for (uint64_t j = 0; j < kCols; ++j) count += std::abs(values[j] - x[j]) < 1e-3f * std::abs(x[j]);
    return count;
  };
  EXPECT_GT(exact(y), exact(z));
}

TEST_P(HqqDType, ZeroAndConstantBlocksStayWhatRoundToNearestMakesOfThem) {
  for (const float value : {0.0f, 0.5f}) {
    const std::vector<float> x(kCols, value);
    EXPECT_EQ(hqq(x), rtn(x));
  }
}

TEST(Hqq, TypesWithoutAnOffsetBesideOneScaleHaveNone) {
  for (const DType dtype : {DType::Q4_0, DType::IQ4_NL, DType::NF4, DType::Q4_K, DType::MXFP4, DType::Q8_0,
                            DType::INT8, DType::F16, DType::NF4_DQ}) {
    EXPECT_FALSE(has_hqq(dtype)) << dtype_name(dtype);
  }
}

/// Against the solver in NumPy (tests/reference/make_hqq_golden.py).
class HqqGolden : public ::testing::Test {
 protected:
  static constexpr size_t kBlocks = 200, kSize = 32;

  void SetUp() override {
    golden_ = read_golden("hqq.txt");
    x_ = golden_values(7, kBlocks * kSize);
    for (size_t i = 0; i < x_.size(); ++i) {
      const bool outlier = i / kSize % 2 == 1 && i % kSize == 17;
      x_[i] *= 8.0f * (outlier ? 3.0f : 1.0f);
    }
  }

  std::map<std::string, std::vector<std::byte>> golden_;
  std::vector<float> x_;
};

TEST_F(HqqGolden, TheOffsetAndItsErrorBetweenTheSmallestAndTheLargestWeight) {
  const std::vector<float> offsets = floats(golden_["offset"]), errors = floats(golden_["error"]);
  ASSERT_EQ(offsets.size(), kBlocks);
  const Grid grid = grid_of(DType::Q4_1);
  size_t different = 0;
  for (size_t b = 0; b < kBlocks; ++b) {
    const std::vector<float> x(&x_[b * kSize], &x_[b * kSize] + kSize);
    const auto [low, high] = std::minmax_element(x.begin(), x.end());
    const float scale = (*high - *low) / 15, offset = hqq_offset(DType::Q4_1, x, scale, *low, {});
    std::vector<float> rounded;
    for (const float value : x) rounded.push_back(nearest(grid, value, scale, offset).value);
    const double expected = offsets[b], error = errors[b];
    different += std::abs(offset - expected) > 1e-4 * std::abs(expected) ||
                 std::abs(lp_error(x, rounded, 0.7) - error) > 1e-3 * error;
  }
  // Single precision moves a value across the middle of two levels now and then.
  EXPECT_LE(different, kBlocks / 50);
}

}  // namespace
}  // namespace nibble::hqq_test
