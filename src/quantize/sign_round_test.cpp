#include "quantize/sign_round.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "quantize/quantize_row.h"
#include "quantize/test_matrices.h"
#include "quantize/test_rows.h"
#include "tensor/dequantize.h"

namespace nibble::sign_round_test {
namespace {

constexpr uint64_t kRows = 8, kCols = 512, kTokens = 512;

SignRound begin(DType dtype, const std::vector<float>& w, ThreadPool& pool) {
  return {dtype, w, kRows, kCols, nullptr, pool};
}

std::vector<float> dequantized(const SignRound& rounding, ThreadPool& pool) {
  std::vector<float> values(kRows * kCols);
  rounding.dequantize(values.data(), pool);
  return values;
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(double(a[i]) - double(b[i])));
  return most;
}

double squared_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::pow(double(a[i]) - double(b[i]), 2);
  return sum;
}

class SignRoundDType : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, SignRoundDType, ::testing::ValuesIn(grid_dtypes()),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST_P(SignRoundDType, BeginsAtRoundToNearest) {
  ThreadPool pool(2);
  const std::vector<float> w = make_values(Distribution::gauss, kRows * kCols);
  const std::vector<float> q = dequantized(begin(GetParam(), w, pool), pool);
  const std::vector<float> nearest_values = rounded_to_nearest(GetParam(), w, kCols);
  // K-quants choose scales and codes together, and may keep a code that is not the nearest one.
  EXPECT_LE(squared_error(q, w), (1 + 1e-4) * squared_error(nearest_values, w));
  if (dtype_info(GetParam()).block_elements == 256) return;
  size_t different = 0;
  for (size_t i = 0; i < q.size(); ++i) different += std::abs(q[i] - nearest_values[i]) > 1e-6f;
  EXPECT_LE(double(different), 1e-3 * double(q.size()));
}

TEST_P(SignRoundDType, TheLossSeesWhatTheFileHolds) {
  ThreadPool pool(2);
  const std::vector<float> w = make_values(Distribution::student3, kRows * kCols);
  SignRound rounding = begin(GetParam(), w, pool);
  std::vector<float> gradient = make_values(Distribution::gauss, kRows * kCols);
  for (int step = 0; step < 5; ++step) {
    EXPECT_LT(difference(dequantized(rounding, pool), dequantized(GetParam(), rounding.bytes(pool), kCols)),
              1e-6);
    rounding.step(gradient.data(), 0.05f, pool);
    std::rotate(gradient.begin(), gradient.begin() + 77, gradient.end());
  }
}

/// Inputs whose channels share a few causes.
std::vector<float> correlated_inputs() {
  constexpr size_t kCauses = 64;
  SplitMix64 random(5);
  std::vector<float> mixing(kCauses * kCols), x(kTokens * kCols), causes(kCauses);
  for (float& m : mixing) m = float(random.normal());
  for (size_t t = 0; t < kTokens; ++t) {
    for (float& cause : causes) cause = float(random.normal());
    for (size_t c = 0; c < kCols; ++c) {
      double sum = 2 * random.normal();
      for (size_t k = 0; k < kCauses; ++k) sum += double(causes[k]) * mixing[k * kCols + c];
      x[t * kCols + c] = float(sum);
    }
  }
  return x;
}

/// The sum of the squared errors of x (q - w)^T, and its gradient by q.
double output_error(const std::vector<float>& h, const std::vector<float>& w, const std::vector<float>& q,
                    std::vector<float>* gradient) {
  double error = 0;
  for (uint64_t r = 0; r < kRows; ++r) {
    std::vector<double> sum(kCols);
    for (uint64_t i = 0; i < kCols; ++i) {
      const double d = double(q[r * kCols + i]) - w[r * kCols + i];
      for (uint64_t j = 0; j < kCols; ++j) sum[j] += d * h[i * kCols + j];
    }
    for (uint64_t j = 0; j < kCols; ++j) {
      error += sum[j] * (double(q[r * kCols + j]) - w[r * kCols + j]);
      if (gradient != nullptr) (*gradient)[r * kCols + j] = float(2 * sum[j]);
    }
  }
  return error;
}

TEST_P(SignRoundDType, OnCorrelatedInputsTheOutputsErrorIsClearlyLessThanRoundToNearests) {
  ThreadPool pool(2);
  const std::vector<float> x = correlated_inputs(), w = make_values(Distribution::gauss, kRows * kCols);
  std::vector<float> h(kCols * kCols), gradient(kRows * kCols);
  for (size_t t = 0; t < kTokens; ++t) {
    for (size_t i = 0; i < kCols; ++i) {
      for (size_t j = 0; j < kCols; ++j) h[i * kCols + j] += x[t * kCols + i] * x[t * kCols + j];
    }
  }
  constexpr int kSteps = 200;
  SignRound rounding = begin(GetParam(), w, pool);
  double least = 1e30;
  for (int step = 0; step <= kSteps; ++step) {
    least = std::min(least, output_error(h, w, dequantized(rounding, pool), &gradient));
    rounding.step(gradient.data(), float(kSteps - step) / float(kSteps * kSteps), pool);
  }
  EXPECT_LT(least, 0.7 * output_error(h, w, rounded_to_nearest(GetParam(), w, kCols), nullptr));
}

/// One weight between two codes: V moves by the rate, against the gradient, and crosses the middle.
TEST(SignRound, RoundingFollowsTheGradientUpToHalfAStep) {
  ThreadPool pool(1);
  std::vector<float> w(kRows * kCols);
  for (size_t i = 0; i < w.size(); ++i) w[i] = i % 32 == 0 ? -8.0f : float(int(i % 8)) + 0.3f;
  SignRound rounding = begin(DType::Q4_0, w, pool);
  const std::vector<float> start = dequantized(rounding, pool);
  std::vector<float> down(w.size(), 0.0f);
  down[5] = -1.0f;  // a larger value would lose less
  const float scale = std::abs(start[0]) / 8;
  for (int step = 0; step < 40; ++step) rounding.step(down.data(), 0.05f, pool);
  const std::vector<float> end = dequantized(rounding, pool);
  EXPECT_GT(end[5], start[5]);
  EXPECT_LT(end[5], w[5] + 1.05f * scale);
  EXPECT_EQ(end[37], start[37]);  // of another block
}

/// One large weight in each block, of whose error the loss knows nothing: the others gain by finer levels.
TEST(SignRound, ClippingShrinksTheRangeDownToItsHalf) {
  ThreadPool pool(1);
  for (const DType dtype : {DType::Q4_0, DType::Q4_1, DType::IQ4_NL, DType::NF4, DType::INT4_G64}) {
    std::vector<float> w = make_values(Distribution::gauss, kRows * kCols);
    const uint64_t block = scale_block(dtype, kCols);
    for (size_t i = 0; i < w.size(); i += block) w[i] = 0.3f;
    SignRound rounding = begin(dtype, w, pool);
    for (int step = 0; step < 150; ++step) {
      std::vector<float> gradient = dequantized(rounding, pool);
      for (size_t i = 0; i < w.size(); ++i) gradient[i] = i % block == 0 ? 0.0f : gradient[i] - w[i];
      rounding.step(gradient.data(), 0.01f, pool);
    }
    double mean = 0;
    const std::vector<float> end = dequantized(rounding, pool);
    for (size_t i = 0; i < w.size(); i += block) mean += double(end[i]) * double(block) / double(w.size());
    EXPECT_NEAR(mean, 0.15, 0.01) << dtype_name(dtype);
  }
}

TEST(SignRound, ThreadsDoNotChangeTheResult) {
  const std::vector<float> w = make_values(Distribution::student3, kRows * kCols);
  const std::vector<float> gradient = make_values(Distribution::gauss, kRows * kCols);
  std::vector<std::vector<std::byte>> results;
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    SignRound rounding = begin(DType::Q4_1, w, pool);
    for (int step = 0; step < 3; ++step) rounding.step(gradient.data(), 0.1f, pool);
    results.push_back(rounding.bytes(pool));
  }
  EXPECT_EQ(results[0], results[1]);
}

}  // namespace
}  // namespace nibble::sign_round_test
