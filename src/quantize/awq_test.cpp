#include "quantize/awq.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "quantize/block_grid.h"
#include "quantize/quantize_row.h"
#include "quantize/test_golden.h"
#include "quantize/test_matrices.h"
#include "quantize/test_rows.h"
#include "tensor/dequantize.h"

namespace nibble::awq_test {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kRows = 40, kCols = 256, kTokens = 512;  // more rows than a strip has

/// Inputs of which one channel in 64 is 30 times as large as the others: the paper's salient channels.
std::vector<float> salient_inputs() {
  SplitMix64 random(9);
  std::vector<float> x(kTokens * kCols);
  for (size_t i = 0; i < x.size(); ++i) x[i] = float(random.normal()) * (i % 64 == 7 ? 30.0f : 1.0f);
  return x;
}

std::vector<float> magnitudes_of(const std::vector<float>& x, size_t cols) {
  std::vector<float> means(cols);
  for (size_t i = 0; i < x.size(); ++i) means[i % cols] += std::abs(x[i]) * float(cols) / float(x.size());
  return means;
}

/// The squared error of the outputs of w rounded to nearest after its columns are scaled.
double output_error(DType dtype, const std::vector<float>& w, const std::vector<float>& scales,
                    const float* importance, const std::vector<float>& x) {
  std::vector<float> scaled(kCols), rounded(kCols);
  std::vector<std::byte> bytes(row_bytes(dtype, kCols));
  double sum = 0;
  for (uint64_t r = 0; r < kRows; ++r) {
    for (uint64_t j = 0; j < kCols; ++j) scaled[j] = w[r * kCols + j] * scales[j];
    quantize_row(dtype, scaled.data(), bytes.data(), kCols, importance);
    dequantize_row(dtype, bytes.data(), rounded.data(), kCols);
    for (size_t t = 0; t < kTokens; ++t) {
      double error = 0;
      for (uint64_t j = 0; j < kCols; ++j) {
        error += double(x[t * kCols + j]) * (double(rounded[j]) / scales[j] - w[r * kCols + j]);
      }
      sum += error * error;
    }
  }
  return sum;
}

std::vector<DType> searched_dtypes() {
  return {DType::Q4_0, DType::Q4_1,      DType::Q4_K,       DType::Q2_K, DType::IQ4_NL,
          DType::Q8_0, DType::INT4_G128, DType::UINT4_G128, DType::NF4,  DType::INT8};
}

class AwqDType : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, AwqDType, ::testing::ValuesIn(searched_dtypes()),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST_P(AwqDType, OnSalientChannelsTheOutputsErrorIsWellBelowRoundToNearest) {
  ThreadPool pool(2);
  const std::vector<float> x = salient_inputs(), w = make_values(Distribution::gauss, kRows * kCols);
  const TileMatrix h = hessian_of(x, kCols, pool);
  const AwqMatrix matrix{GetParam(), w};
  const AwqChoice choice = awq_search({&matrix, 1}, h, magnitudes_of(x, kCols), {}, "w", pool);
  EXPECT_GT(choice.alpha, 0.0f);
  EXPECT_LT(choice.error, choice.unscaled_error);
  const std::vector<float> ones(kCols, 1.0f);
  EXPECT_LT(choice.error, 0.5 * output_error(GetParam(), w, ones, nullptr, x));
  // What the search reports is what the inputs themselves show.
  const std::vector<float> importance = awq_importance(h, choice.scales);
  EXPECT_NEAR(choice.error, output_error(GetParam(), w, choice.scales, importance.data(), x),
              1e-3 * choice.error);
}

TEST(Awq, ScalesAreThePowersOfTheMagnitudesAroundOne) {
  const std::vector<float> magnitudes = {1, 4, 16, 0};
  const std::vector<float> scales = awq_scales(magnitudes, 0.5f);
  EXPECT_FLOAT_EQ(scales[0], 0.5f);
  EXPECT_FLOAT_EQ(scales[1], 1.0f);
  EXPECT_FLOAT_EQ(scales[2], 2.0f);
  EXPECT_EQ(scales[3], 1.0f);  // a dead channel
  EXPECT_EQ(awq_scales(magnitudes, 0.0f), std::vector<float>(4, 1.0f));
  EXPECT_EQ(awq_scales(std::vector<float>(4), 0.5f), std::vector<float>(4, 1.0f));
}

TEST(Awq, EvenChannelsStayUnscaled) {
  ThreadPool pool(2);
  const std::vector<float> x = make_values(Distribution::gauss, kTokens * kCols);
  const AwqMatrix matrix{DType::Q4_0, make_values(Distribution::laplace, kRows * kCols)};
  const std::vector<float> even(kCols, 0.016f);
  const AwqChoice choice = awq_search({&matrix, 1}, hessian_of(x, kCols, pool), even, {}, "w", pool);
  EXPECT_EQ(choice.scales, std::vector<float>(kCols, 1.0f));
  EXPECT_EQ(choice.error, choice.unscaled_error);
}

TEST(Awq, TheErrorOfSeveralMatricesIsTheirWeightedSum) {
  ThreadPool pool(2);
  const std::vector<float> x = salient_inputs(), magnitudes = magnitudes_of(x, kCols);
  const TileMatrix h = hessian_of(x, kCols, pool);
  const AwqMatrix a{DType::Q4_0, make_values(Distribution::gauss, kRows * kCols)};
  const AwqMatrix b{DType::Q8_0, make_values(Distribution::laplace, 3 * kCols), 5.0};
  const AwqMatrix both[] = {a, b};
  const auto unscaled = [&](std::span<const AwqMatrix> matrices) {
    return awq_search(matrices, h, magnitudes, {}, "w", pool).unscaled_error;
  };
  const AwqMatrix light{b.dtype, b.w};
  EXPECT_NEAR(unscaled(both), unscaled({&a, 1}) + 5 * unscaled({&light, 1}), 1e-9 * unscaled(both));
}

TEST(Awq, ThreadsDoNotChangeTheResult) {
  ThreadPool one(1), three(3);
  const std::vector<float> x = salient_inputs(), magnitudes = magnitudes_of(x, kCols);
  const TileMatrix h = hessian_of(x, kCols, one);
  const AwqMatrix matrix{DType::Q4_K, make_values(Distribution::student3, kRows * kCols)};
  EXPECT_EQ(awq_search({&matrix, 1}, h, magnitudes, {}, "w", one).error,
            awq_search({&matrix, 1}, h, magnitudes, {}, "w", three).error);
}

TEST(Awq, InputsThatAreNotFiniteAreTold) {
  ThreadPool pool(1);
  TileMatrix h(kCols);
  h.set(4, 4, std::numeric_limits<float>::infinity());
  try {
    awq_search({}, h, std::vector<float>(kCols, 1.0f), {}, "blk.3.ffn_up.weight", pool);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("blk.3.ffn_up.weight: the calibration gave inputs that are not finite"));
  }
}

/// Against the paper's search in NumPy (tests/reference/make_awq_golden.py).
TEST(Awq, TheScalesAndTheErrorOfThePapersSearch) {
  constexpr size_t kCases = 6, kCaseRows = 40, kCaseCols = 128, kCaseTokens = 96;
  auto golden = read_golden("awq.txt");
  ThreadPool pool(2);
  for (size_t number = 0; number < kCases; ++number) {
    SCOPED_TRACE(number);
    const AwqMatrix matrix{DType::NF4, golden_values(2 * number + 1, kCaseRows * kCaseCols)};
    std::vector<float> x = golden_values(2 * number + 2, kCaseTokens * kCaseCols);
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t j = i % kCaseCols;
      x[i] *= (j % (5 + number) == 3 ? std::ldexp(1.0f, int(number) + 1) : 1.0f) * float(1 + j % 4);
    }
    const AwqChoice choice =
        awq_search({&matrix, 1}, hessian_of(x, kCaseCols, pool), magnitudes_of(x, kCaseCols), {}, "w", pool);
    // alpha, error, error with alpha = 0, scales.
    const std::vector<float> expected = floats(golden["case" + std::to_string(number)]);
    ASSERT_EQ(expected.size(), 3 + kCaseCols);
    EXPECT_FLOAT_EQ(choice.alpha, expected[0]);
    EXPECT_NEAR(choice.error, expected[1], 2e-3 * expected[1]);
    EXPECT_NEAR(choice.unscaled_error, expected[2], 2e-3 * expected[2]);
    for (size_t j = 0; j < kCaseCols; ++j)
      EXPECT_NEAR(choice.scales[j], expected[3 + j], 1e-4f * expected[3 + j]);
  }
}

}  // namespace
}  // namespace nibble::awq_test
