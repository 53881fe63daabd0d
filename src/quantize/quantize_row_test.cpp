#include "quantize/quantize_row.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <map>

#include "base/cpu.h"
#include "base/error.h"
#include "base/half.h"
#include "quantize/rtn/table.h"
#include "quantize/test_rows.h"
#include "tensor/dequantize.h"

namespace nibble {
namespace {

/// Types that take any row.
std::vector<DType> row_dtypes() {
  std::vector<DType> dtypes;
  for (const DTypeInfo& info : all_dtypes()) {
    if (info.layout != Layout::planes && !dense_dtype(info.dtype)) dtypes.push_back(info.dtype);
  }
  return dtypes;
}

std::vector<float> round_trip(DType dtype, const std::vector<float>& x, uint64_t cols,
                              const float* importance = nullptr) {
  std::vector<std::byte> packed(row_bytes(dtype, cols));
  std::vector<float> y(x.size());
  for (uint64_t first = 0; first < x.size(); first += cols) {
    quantize_row(dtype, x.data() + first, packed.data(), cols, importance);
    dequantize_row(dtype, packed.data(), y.data() + first, cols);
  }
  return y;
}

double rmse(const std::vector<float>& x, const std::vector<float>& y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += (double(x[i]) - y[i]) * (double(x[i]) - y[i]);
  return std::sqrt(sum / double(x.size()));
}

constexpr uint64_t kRows = 32, kCols = 2048;  // as recorded

/// (type, distribution) -> llama.cpp's error.
std::map<std::pair<std::string, std::string>, double> recorded_errors() {
  std::ifstream in(NIBBLE_SOURCE_DIR "/tests/golden/llamacpp_rmse.txt");
  std::map<std::pair<std::string, std::string>, double> errors;
  std::string type, distribution, line;
  std::getline(in, line);
  for (double error; in >> type >> distribution >> error;) errors[{type, distribution}] = error;
  return errors;
}

class EveryDType : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, EveryDType, ::testing::ValuesIn(row_dtypes()),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST(QuantizeRow, ErrorIsNoLargerThanLlamaCpps) {
  const auto errors = recorded_errors();
  ASSERT_EQ(errors.size(), 39u);
  const std::pair<Distribution, const char*> distributions[] = {{Distribution::gauss, "gauss"},
                                                                {Distribution::student3, "student3"},
                                                                {Distribution::laplace, "laplace"}};
  for (const auto& [distribution, name] : distributions) {
    const std::vector<float> x = make_values(distribution, kRows * kCols);
    for (const auto& [key, error] : errors) {
      if (key.second != name) continue;
      const DType dtype = dtype_from_name(key.first).value();
      EXPECT_LT(rmse(x, round_trip(dtype, x, kCols)), 0.985 * error) << key.first << " " << name;
    }
  }
}

/// Errors of nibble's own types: those of the standard type next to each, which has a finer scale.
TEST(QuantizeRow, OwnTypesFollowTheStandardOnesNextToThem) {
  const std::vector<float> x = make_values(Distribution::gauss, kRows * kCols);
  const auto error = [&](DType dtype) { return rmse(x, round_trip(dtype, x, kCols)); };
  EXPECT_LT(error(DType::INT4_G64), 1.12 * error(DType::Q4_0));
  EXPECT_LT(error(DType::INT4_G128), 1.21 * error(DType::Q4_0));
  EXPECT_LT(error(DType::UINT4_G64), 1.19 * error(DType::Q4_1));
  EXPECT_LT(error(DType::UINT4_G128), 1.34 * error(DType::Q4_1));
  EXPECT_LT(error(DType::NF4), 1.28 * error(DType::IQ4_NL));
  EXPECT_LT(error(DType::FP4), 1.35 * error(DType::NF4));
  EXPECT_LT(error(DType::INT8), 1.8 * error(DType::Q8_0));
}

/// Whatever was chosen, no value may be further off than the widest step of its format allows. The bound
/// is in units of the row's largest magnitude.
TEST_P(EveryDType, EveryValueIsNearItsOriginal) {
  const std::map<DType, float> bounds = {
      {DType::F32, 0.0f},       {DType::F16, 0x1p-11f},   {DType::BF16, 0x1p-8f},    {DType::Q8_0, 0.05f},
      {DType::Q6_K, 0.06f},     {DType::Q5_0, 0.12f},     {DType::Q5_1, 0.12f},      {DType::Q5_K, 0.12f},
      {DType::Q4_0, 0.25f},     {DType::Q4_1, 0.25f},     {DType::Q4_K, 0.25f},      {DType::IQ4_NL, 0.25f},
      {DType::IQ4_XS, 0.25f},   {DType::MXFP4, 0.26f},    {DType::NF4, 0.16f},       {DType::FP4, 0.17f},
      {DType::Q3_K, 0.4f},      {DType::Q2_K, 0.5f},      {DType::INT8, 0.05f},      {DType::INT4_G64, 0.35f},
      {DType::INT4_G128, 0.4f}, {DType::UINT4_G64, 0.3f}, {DType::UINT4_G128, 0.35f}};
  const std::vector<float> x = make_values(Distribution::gauss, 16 * kCols);
  const std::vector<float> y = round_trip(GetParam(), x, kCols);
  for (size_t row = 0; row < x.size(); row += kCols) {
    float largest = 0;
    for (size_t i = row; i < row + kCols; ++i) largest = std::max(largest, std::fabs(x[i]));
    for (size_t i = row; i < row + kCols; ++i) {
      ASSERT_LE(std::fabs(x[i] - y[i]), bounds.at(GetParam()) * largest) << "value " << i;
    }
  }
}

/// The bytes of one row by both compilations.
TEST_P(EveryDType, InstructionSetsGiveTheSameBits) {
  if (!cpu_supports(Isa::avx2)) GTEST_SKIP() << "this machine has no AVX2";
  std::vector<float> x = make_values(Distribution::student3, 2 * 2560);
  for (size_t i = 0; i < 256; ++i) x[i] *= 1e30f;
  for (size_t i = 256; i < 512; ++i) x[i] *= 1e-7f;
  std::fill(x.begin() + 512, x.begin() + 1024, 0.0f);
  std::fill(x.begin() + 1024, x.begin() + 1280, 3.0f);
  std::vector<float> importance(2560);
  SplitMix64 r(9);
  for (float& w : importance) w = float(r.uniform());
  std::vector<std::byte> a(row_bytes(GetParam(), 2560)), b(a.size());
  for (const float* row : {x.data(), x.data() + 2560}) {
    for (const float* weights :
         {static_cast<const float*>(nullptr), static_cast<const float*>(importance.data())}) {
      rtn_baseline::kTable.row_quantizer(GetParam(), FourBitScale::absmax)(row, a.data(), 2560, weights);
      rtn_avx2::kTable.row_quantizer(GetParam(), FourBitScale::absmax)(row, b.data(), 2560, weights);
      EXPECT_EQ(a, b) << (weights ? "weighted" : "equal weights");
    }
  }
}

TEST_P(EveryDType, BlocksDoNotDependOnTheirNeighbours) {
  const DTypeInfo& info = dtype_info(GetParam());
  if (info.layout != Layout::blocks) GTEST_SKIP() << "one scale for the row";
  const uint64_t size = info.block_elements, blocks = 11;
  const std::vector<float> x = make_values(Distribution::laplace, size * blocks);
  std::vector<std::byte> row(row_bytes(GetParam(), x.size())), one(info.block_bytes);
  quantize_row(GetParam(), x.data(), row.data(), x.size());
  for (uint64_t b = 0; b < blocks; ++b) {
    quantize_row(GetParam(), x.data() + b * size, one.data(), size);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), row.begin() + b * info.block_bytes)) << "block " << b;
  }
}

TEST_P(EveryDType, ZerosStayZero) {
  const std::vector<float> x(kCols, 0.0f);
  EXPECT_EQ(round_trip(GetParam(), x, kCols), x);
}

TEST_P(EveryDType, ConstantRows) {
  for (const float value : {1.0f, -0.375f}) {
    const std::vector<float> x(kCols, value);
    for (const float y : round_trip(GetParam(), x, kCols)) {
      ASSERT_NEAR(y, value, GetParam() == DType::MXFP4 ? 0.0f : 0.01f * std::fabs(value));
    }
  }
}

TEST_P(EveryDType, OutlierKeepsItsSignAndSize) {
  for (const float outlier : {8.0f, -8.0f}) {
    std::vector<float> x = make_values(Distribution::gauss, kCols);
    x[300] = outlier;
    const std::vector<float> y = round_trip(GetParam(), x, kCols);
    EXPECT_NEAR(y[300], outlier, 0.1 * 8.0);
    EXPECT_LT(rmse(x, y), 0.08);
  }
}

/// Scales round up to a step of the smallest half, or for MXFP4 of 2^-126.
TEST_P(EveryDType, TinyValuesGiveTinyValues) {
  const float smallest = GetParam() == DType::MXFP4 ? 0x1p-127f : 1e-44f;
  for (const float scale : {1e-6f, 1e-20f, 1e-37f, 1e-43f}) {
    std::vector<float> x = make_values(Distribution::gauss, kCols);
    for (float& v : x) v *= scale;
    const std::vector<float> y = round_trip(GetParam(), x, kCols);
    float largest = 0;
    for (const float v : x) largest = std::max(largest, std::fabs(v));
    for (const float v : y) ASSERT_LE(std::fabs(v), 1.35f * largest + smallest) << scale;
  }
}

TEST_P(EveryDType, HugeValuesStayFiniteAndKeepTheirSigns) {
  for (const double scale : {1e6, 1e30, 2e39}) {
    std::vector<float> x = make_values(Distribution::gauss, kCols);
    float largest = 0;
    for (float& v : x) {
      v = float(std::clamp(double(v) * scale, -3.4e38, 3.4e38));
      largest = std::max(largest, std::fabs(v));
    }
    const std::vector<float> y = round_trip(GetParam(), x, kCols);
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(std::isfinite(y[i])) << scale << " value " << i;
      if (std::fabs(x[i]) > 0.5f * largest) {
        ASSERT_EQ(std::signbit(y[i]), std::signbit(x[i])) << scale << " value " << i;
        ASSERT_NE(y[i], 0.0f) << scale << " value " << i;
      }
    }
  }
}

/// The weighted error must fall well below that of equal weights where a few columns matter most.
TEST_P(EveryDType, ImportanceIsHonoured) {
  const DTypeInfo& info = dtype_info(GetParam());
  if (info.block_bytes / info.block_elements >= 2 || GetParam() == DType::NF4 || GetParam() == DType::FP4) {
    GTEST_SKIP() << "has no scale to choose";
  }
  const std::vector<float> x = make_values(Distribution::student3, 8 * kCols);
  std::vector<float> importance(kCols, 0.01f);
  for (size_t j = 0; j < kCols; j += 8) importance[j] = 100.0f;
  const std::vector<float> plain = round_trip(GetParam(), x, kCols);
  const std::vector<float> weighted = round_trip(GetParam(), x, kCols, importance.data());
  double plain_error = 0, weighted_error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    plain_error += importance[i % kCols] * std::pow(double(x[i]) - plain[i], 2);
    weighted_error += importance[i % kCols] * std::pow(double(x[i]) - weighted[i], 2);
  }
  EXPECT_LT(weighted_error, 0.9 * plain_error);
}

TEST_P(EveryDType, ImportanceOfNoUseIsIgnored) {
  const std::vector<float> x = make_values(Distribution::laplace, kCols);
  const std::vector<float> zeros(kCols, 0.0f);
  EXPECT_EQ(round_trip(GetParam(), x, kCols, zeros.data()), round_trip(GetParam(), x, kCols));
  std::vector<float> wide(kCols, 1e-30f);
  wide[5] = 1e30f;
  for (const float v : round_trip(GetParam(), x, kCols, wide.data())) ASSERT_TRUE(std::isfinite(v));
}

TEST(QuantizeRow, WeightsOnAFourBitGridAreReproduced) {
  std::vector<float> x(kCols);
  SplitMix64 r(3);
  for (size_t i = 0; i < x.size(); ++i) {
    const float step = 0.0078125f * float(1 + i / 32 % 7), low = -0.046875f * float(1 + i / 32 % 5);
    x[i] = low + step * float(i % 32 < 2 ? i % 32 * 15 : r.next() % 16);
  }
  EXPECT_EQ(round_trip(DType::Q4_1, x, kCols), x);
}

TEST(QuantizeRow, FloatTypesRoundAsTheirScalarConversions) {
  std::vector<float> x = make_values(Distribution::student3, 999);
  for (size_t i = 0; i < x.size(); i += 3) x[i] *= 1e-5f;
  x[0] = 65504.0f, x[1] = -65519.996f, x[2] = 0x1p-24f, x[3] = 0x1p-25f, x[4] = -0.0f, x[5] = 0x1.002p0f;
  const std::vector<float> f16 = round_trip(DType::F16, x, x.size()),
                           bf16 = round_trip(DType::BF16, x, x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(f16[i]), std::bit_cast<uint32_t>(half_to_float(float_to_half(x[i]))))
        << x[i];
    EXPECT_EQ(std::bit_cast<uint32_t>(bf16[i]),
              std::bit_cast<uint32_t>(bfloat16_to_float(float_to_bfloat16(x[i]))))
        << x[i];
  }
}

TEST(QuantizeRow, Int8TakesRowsOfAnyLength) {
  for (const uint64_t cols : {1, 7, 9, 100}) {
    const std::vector<float> x = make_values(Distribution::gauss, cols);
    EXPECT_LT(rmse(x, round_trip(DType::INT8, x, cols)), 0.0004) << cols;
  }
}

TEST(QuantizeRow, RefusesPlanes) {
  float x[64] = {};
  std::byte out[64];
  EXPECT_THROW(quantize_row(DType::NF4_DQ, x, out, 64), Error);
}

}  // namespace
}  // namespace nibble
