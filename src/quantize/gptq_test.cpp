#include "quantize/gptq.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/testing.h"
#include "quantize/block_grid.h"
#include "quantize/quantize_row.h"
#include "quantize/test_matrices.h"
#include "quantize/test_rows.h"
#include "tensor/dequantize.h"

namespace nibble::gptq_test {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kRows = 40, kCols = 512, kTokens = 2048;  // more rows than a strip has

/// Inputs whose channels share a few causes, and differ in size: what makes feedback worth its while.
std::vector<float> correlated_inputs() {
  constexpr size_t kCauses = 64;
  SplitMix64 random(5);
  std::vector<float> mixing(kCauses * kCols), x(kTokens * kCols);
  for (float& m : mixing) m = float(random.normal());
  std::vector<float> causes(kCauses);
  for (size_t t = 0; t < kTokens; ++t) {
    for (float& cause : causes) cause = float(random.normal());
    for (size_t c = 0; c < kCols; ++c) {
      double sum = 2 * random.normal();
      for (size_t k = 0; k < kCauses; ++k) sum += double(causes[k]) * mixing[k * kCols + c];
      x[t * kCols + c] = float(sum * std::exp(0.5 * double(mixing[c])));
    }
  }
  return x;
}

TileMatrix identity() {
  TileMatrix h(kCols);
  for (size_t i = 0; i < kCols; ++i) h.set(i, i, 1.0f);
  return h;
}

struct Result {
  std::vector<float> values;
  double loss;
};
Result gptq(DType dtype, const TileMatrix& h, const std::vector<float>& w, ThreadPool& pool) {
  std::vector<std::byte> bytes(kRows * row_bytes(dtype, kCols));
  const GptqFactor factor = gptq_factor(h, scale_block(dtype, kCols), {}, "w", pool);
  const double loss = gptq_quantize(dtype, factor, w.data(), kRows, kCols, bytes.data(), pool);
  return {dequantized(dtype, bytes, kCols), loss};
}

/// The squared error of the outputs: the trace of (w - q) H (w - q)^T.
double output_error(const std::vector<float>& w, const std::vector<float>& q, const TileMatrix& h) {
  double sum = 0;
  std::vector<double> d(kCols);
  for (uint64_t r = 0; r < kRows; ++r) {
    for (uint64_t c = 0; c < kCols; ++c) d[c] = double(w[r * kCols + c]) - q[r * kCols + c];
    for (uint64_t i = 0; i < kCols; ++i) {
      for (uint64_t j = 0; j < kCols; ++j) sum += d[i] * d[j] * h.at(i, j);
    }
  }
  return sum;
}

class GptqDType : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, GptqDType, ::testing::ValuesIn(grid_dtypes()),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST_P(GptqDType, WithoutCorrelationItIsRoundToNearest) {
  ThreadPool pool(2);
  const std::vector<float> w = make_values(Distribution::gauss, kRows * kCols), ones(kCols, 1.0f);
  const TileMatrix h = identity();
  const std::vector<float> q = gptq(GetParam(), h, w, pool).values;
  const std::vector<float> nearest_values = rounded_to_nearest(GetParam(), w, kCols, ones.data());
  // Types with one scale a block try more scales than rounding to nearest does.
  EXPECT_LE(output_error(w, q, h), (1 + 1e-5) * output_error(w, nearest_values, h));
  std::vector<std::byte> block(row_bytes(GetParam(), kCols));
  if (stretch_scale(GetParam(), 1.0f, block.data())) return;
  size_t different = 0;
  for (size_t i = 0; i < q.size(); ++i) different += std::abs(q[i] - nearest_values[i]) > 1e-6f;
  // A value midway between two levels may go to either.
  EXPECT_LE(double(different), 1e-3 * double(q.size()));
}

TEST_P(GptqDType, OnCorrelatedInputsTheOutputsErrorIsLessThanHalfOfRoundToNearest) {
  ThreadPool pool(2);
  const std::vector<float> w = make_values(Distribution::gauss, kRows * kCols);
  const TileMatrix h = hessian_of(correlated_inputs(), kCols, pool);
  const Result result = gptq(GetParam(), h, w, pool);
  const double error = output_error(w, result.values, h);
  EXPECT_LT(error, 0.5 * output_error(w, rounded_to_nearest(GetParam(), w, kCols), h));
  // The compensated errors add up to the outputs' error, but for the damping, which counts a little more.
  EXPECT_LT(error, result.loss);
  EXPECT_LT(result.loss, 1.4 * error);
}

/// The paper's equations 2 and 3 (Optimal Brain Surgeon's), with the inverse Hessian itself and no Cholesky
/// factor, in double: given the scales, the codes must be the same.
TEST(Gptq, RoundsAsOptimalBrainQuantizationDoesInThisOrder) {
  ThreadPool pool(2);
  const std::vector<float> w = make_values(Distribution::gauss, kRows * kCols);
  const TileMatrix h = hessian_of(correlated_inputs(), kCols, pool);
  const GptqFactor factor = gptq_factor(h, kCols, {}, "w", pool);
  std::vector<std::byte> row(row_bytes(DType::INT8, kCols));
  gptq_quantize(DType::INT8, factor, w.data(), 1, kCols, row.data(), pool);
  std::vector<float> q(kCols), scale(kCols), offset(kCols);
  dequantize_row(DType::INT8, row.data(), q.data(), kCols);
  read_scales(DType::INT8, row.data(), kCols, scale.data(), offset.data());

  double mean = 0;
  for (size_t i = 0; i < kCols; ++i) mean += h.at(i, i) / kCols;
  // Gauss and Jordan's inversion.
  std::vector<double> a(kCols * kCols), inverse(kCols * kCols);
  for (size_t i = 0; i < kCols; ++i) {
    for (size_t j = 0; j < kCols; ++j) a[i * kCols + j] = h.at(i, j) + (i == j ? 0.01 * mean : 0);
    inverse[i * kCols + i] = 1;
  }
  for (size_t k = 0; k < kCols; ++k) {
    const double pivot = a[k * kCols + k];
    for (size_t j = 0; j < kCols; ++j) a[k * kCols + j] /= pivot, inverse[k * kCols + j] /= pivot;
    for (size_t i = 0; i < kCols; ++i) {
      const double f = a[i * kCols + k];
      if (i == k || f == 0) continue;
      for (size_t j = 0; j < kCols; ++j) {
        a[i * kCols + j] -= f * a[k * kCols + j];
        inverse[i * kCols + j] -= f * inverse[k * kCols + j];
      }
    }
  }
  std::vector<double> x(w.begin(), w.begin() + kCols);
  size_t different = 0;
  for (const uint32_t j : factor.order) {
    const double rounded = std::clamp(std::round(x[j] / scale[j]), -127.0, 127.0) * double(scale[j]);
    different += std::abs(rounded - double(q[j])) > 0.01 * double(scale[j]);
    const double diagonal = inverse[j * kCols + j], error = (x[j] - double(q[j])) / diagonal;
    const std::vector<double> column(&inverse[j * kCols], &inverse[j * kCols] + kCols);
    for (size_t k = 0; k < kCols; ++k) x[k] -= error * column[k];
    for (size_t i = 0; i < kCols; ++i) {
      for (size_t k = 0; k < kCols; ++k) inverse[i * kCols + k] -= column[i] * column[k] / diagonal;
    }
  }
  // Single precision moves a value across the middle of two levels now and then.
  EXPECT_LE(different, kCols / 100);
}

TEST(Gptq, ColumnsOfABlockFollowEachOtherLargeActivationsFirst) {
  ThreadPool pool(2);
  TileMatrix h = identity();
  h.set(40, 40, 9.0f);
  h.set(70, 70, 5.0f);
  const GptqFactor factor = gptq_factor(h, 32, {}, "w", pool);
  EXPECT_EQ(factor.order[0], 40u);
  EXPECT_EQ(factor.order[1], 32u);
  EXPECT_EQ(factor.order[32], 70u);
  EXPECT_EQ(factor.order[64], 0u);
}

TEST(Gptq, ADeadChannelIsRoundedAndTakesNoFeedback) {
  ThreadPool pool(2);
  std::vector<float> x = correlated_inputs();
  for (size_t t = 0; t < kTokens; ++t) x[t * kCols + 77] = 0;
  const TileMatrix h = hessian_of(x, kCols, pool);
  const std::vector<float> w = make_values(Distribution::gauss, kRows * kCols);
  const std::vector<float> q = gptq(DType::Q8_0, h, w, pool).values;
  for (uint64_t r = 0; r < kRows; ++r) EXPECT_NEAR(q[r * kCols + 77], w[r * kCols + 77], 5e-4f);
}

TEST(Gptq, FewerInputsThanChannelsAreEnough) {
  ThreadPool pool(2);
  std::vector<float> x = correlated_inputs();
  x.resize(8 * kCols);
  const TileMatrix h = hessian_of(x, kCols, pool);
  const std::vector<float> w = make_values(Distribution::gauss, kRows * kCols);
  EXPECT_LT(output_error(w, gptq(DType::Q4_0, h, w, pool).values, h),
            0.2 * output_error(w, rounded_to_nearest(DType::Q4_0, w, kCols), h));
}

std::string error_of(const TileMatrix& h) {
  ThreadPool pool(1);
  return testing::error_of([&] { gptq_factor(h, 32, {}, "blk.3.ffn_up.weight", pool); });
}

TEST(Gptq, DampingRisesUntilTheHessianIsPositiveDefiniteAndThenGivesUp) {
  ThreadPool pool(1);
  TileMatrix h = identity();
  h.set(3, 9, 1.05f);
  EXPECT_FLOAT_EQ(gptq_factor(h, 32, {}, "w", pool).damping, 0.1f);
  h.set(3, 9, 5.0f);
  EXPECT_THAT(error_of(h), HasSubstr("blk.3.ffn_up.weight: its Hessian is not positive definite"));
  EXPECT_THAT(error_of(h), HasSubstr("--calibration"));
  h.set(4, 4, std::numeric_limits<float>::infinity());
  EXPECT_THAT(error_of(h), HasSubstr("not finite (channel 4)"));
}

TEST(Gptq, ThreadsDoNotChangeTheResult) {
  const std::vector<float> w = make_values(Distribution::student3, kRows * kCols);
  ThreadPool one(1), three(3);
  const TileMatrix h = hessian_of(correlated_inputs(), kCols, one);
  EXPECT_EQ(gptq(DType::Q4_K, h, w, one).values, gptq(DType::Q4_K, h, w, three).values);
}

}  // namespace
}  // namespace nibble::gptq_test
