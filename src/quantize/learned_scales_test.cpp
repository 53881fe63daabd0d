#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "base/cpu.h"
#include "quantize/double_quant.h"
#include "quantize/quantize_row.h"
#include "quantize/rtn/table.h"
#include "quantize/test_golden.h"
#include "tensor/blocks.h"
#include "tensor/dequantize.h"

/// NF4 and FP4 with FourBitScale::learned.
namespace nibble::learned_scales_test {
namespace {

constexpr size_t kSize = 64;

std::vector<BlockNF4> blocks_of(DType dtype, const std::vector<float>& x, const float* importance,
                                FourBitScale scale = FourBitScale::learned) {
  std::vector<BlockNF4> blocks(x.size() / kSize);
  quantize_row(dtype, x.data(), reinterpret_cast<std::byte*>(blocks.data()), x.size(), importance, scale);
  return blocks;
}

/// The weighted squared error of one block.
double error_of(DType dtype, const BlockNF4& block, const float* x, const float* w) {
  float y[kSize];
  dequantize_row(dtype, reinterpret_cast<const std::byte*>(&block), y, kSize);
  double sum = 0;
  for (size_t j = 0; j < kSize; ++j) sum += (w ? w[j] : 1.0) * std::pow(double(x[j]) - y[j], 2);
  return sum;
}

class LearnedScales : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, LearnedScales, ::testing::Values(DType::NF4, DType::FP4),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

/// Against NumPy (tests/reference/make_learned_scales_golden.py).
TEST_P(LearnedScales, AreThoseOfAlternatingLeastSquares) {
  constexpr size_t kBlocks = 200;
  auto golden = read_golden("learned_scales.txt");
  std::vector<float> x = golden_values(11, kBlocks * kSize), w = golden_values(12, kBlocks * kSize);
  for (size_t i = 0; i < x.size(); ++i) x[i] *= float(1 + i / kSize % 7);
  for (float& weight : w) weight *= weight;
  const std::vector<float> normalized = normalized_importance(w.data(), w.size());
  for (const bool weighted : {false, true}) {
    SCOPED_TRACE(weighted);
    const std::string name =
        std::string(GetParam() == DType::NF4 ? "nf4" : "fp4") + (weighted ? "_weighted_" : "_equal_");
    const std::vector<float> scales = floats(golden[name + "scales"]),
                             errors = floats(golden[name + "errors"]),
                             before = floats(golden[name + "absmax_errors"]);
    ASSERT_EQ(scales.size(), kBlocks);
    const auto blocks = blocks_of(GetParam(), x, weighted ? w.data() : nullptr);
    const auto absmax = blocks_of(GetParam(), x, nullptr, FourBitScale::absmax);
    size_t different = 0;
    for (size_t b = 0; b < kBlocks; ++b) {
      const float *values = &x[b * kSize], *weights = weighted ? &normalized[b * kSize] : nullptr;
      const double error = error_of(GetParam(), blocks[b], values, weights);
      different += std::abs(blocks[b].d - scales[b]) > 1e-4f * scales[b] ||
                   std::abs(error - errors[b]) > 1e-4 * errors[b];
      EXPECT_NEAR(error_of(GetParam(), absmax[b], values, weights), before[b], 1e-4 * before[b]);
    }
    // Single precision moves a value across the middle of two levels now and then.
    EXPECT_LE(different, kBlocks / 50);
  }
}

TEST_P(LearnedScales, TheErrorIsNeverAboveThatOfTheLargestMagnitude) {
  for (const Distribution distribution :
       {Distribution::gauss, Distribution::student3, Distribution::laplace}) {
    std::vector<float> x = make_values(distribution, 203 * kSize);
    for (size_t i = 0; i < 8 * kSize; ++i) x[i] *= i / kSize % 2 == 0 ? 1e36f : 1e-36f;
    std::fill(x.begin() + 8 * kSize, x.begin() + 9 * kSize, 0.0f);
    const auto learned = blocks_of(GetParam(), x, nullptr);
    const auto absmax = blocks_of(GetParam(), x, nullptr, FourBitScale::absmax);
    double sum = 0, absmax_sum = 0;
    for (size_t b = 0; b < learned.size(); ++b) {
      const double error = error_of(GetParam(), learned[b], &x[b * kSize], nullptr);
      const double before = error_of(GetParam(), absmax[b], &x[b * kSize], nullptr);
      EXPECT_LE(error, (1 + 1e-5) * before) << b;
      EXPECT_GE(learned[b].d, 0.0f) << b;
      if (b > 8) sum += error, absmax_sum += before;
    }
    EXPECT_EQ(learned[8].d, 0.0f);
    EXPECT_LT(sum, 0.95 * absmax_sum);
  }
}

TEST_P(LearnedScales, WeightsAreHonoured) {
  const std::vector<float> x = make_values(Distribution::student3, 128 * kSize);
  std::vector<float> w(x.size(), 0.01f);
  for (size_t j = 0; j < w.size(); j += 8) w[j] = 100.0f;
  const auto plain = blocks_of(GetParam(), x, nullptr), weighted = blocks_of(GetParam(), x, w.data());
  double plain_error = 0, weighted_error = 0;
  for (size_t b = 0; b < plain.size(); ++b) {
    plain_error += error_of(GetParam(), plain[b], &x[b * kSize], &w[b * kSize]);
    weighted_error += error_of(GetParam(), weighted[b], &x[b * kSize], &w[b * kSize]);
  }
  EXPECT_LT(weighted_error, 0.8 * plain_error);
}

TEST_P(LearnedScales, InstructionSetsGiveTheSameBits) {
  if (!cpu_supports(Isa::avx2)) GTEST_SKIP() << "this machine has no AVX2";
  std::vector<float> x = make_values(Distribution::student3, 21 * kSize), w(x.size());
  SplitMix64 random(9);
  for (float& weight : w) weight = float(random.uniform());
  for (size_t i = 0; i < kSize; ++i) x[i] *= 1e30f;
  std::vector<std::byte> a(row_bytes(GetParam(), x.size())), b(a.size());
  for (const bool weighted : {false, true}) {
    const float* weights = weighted ? w.data() : nullptr;
    constexpr auto kLearned = FourBitScale::learned;
    rtn_baseline::kTable.row_quantizer(GetParam(), kLearned)(x.data(), a.data(), x.size(), weights);
    rtn_avx2::kTable.row_quantizer(GetParam(), kLearned)(x.data(), b.data(), x.size(), weights);
    EXPECT_EQ(a, b) << weighted;
  }
}

/// Double quantization takes the learned scales and their codes.
TEST_P(LearnedScales, DoubleQuantizationRoundsThem) {
  const DType doubled = GetParam() == DType::NF4 ? DType::NF4_DQ : DType::FP4_DQ;
  const uint64_t rows = 8, cols = 512;
  const std::vector<float> x = make_values(Distribution::laplace, rows * cols);
  std::vector<float> w(cols);
  for (size_t j = 0; j < cols; ++j) w[j] = float(1 + j % 5);
  DoubleQuantizer quantizer(doubled, x.size(), FourBitScale::learned);
  std::vector<std::byte> planes(x.size() / 2);
  for (uint64_t r = 0; r < rows; ++r)
    quantizer.add(r * cols, &x[r * cols], cols, &planes[r * cols / 2], w.data());
  const std::vector<std::byte> rest = quantizer.finish();
  planes.insert(planes.end(), rest.begin(), rest.end());
  const TensorView tensor{"w", doubled, {rows, cols}, planes};
  for (uint64_t r = 0; r < rows; ++r) {
    const std::vector<float> row(&x[r * cols], &x[r * cols] + cols);
    const auto blocks = blocks_of(GetParam(), row, w.data());
    std::vector<float> expected(cols), actual(cols);
    dequantize_row(GetParam(), reinterpret_cast<const std::byte*>(blocks.data()), expected.data(), cols);
    dequantize_rows(tensor, r, 1, actual.data());
    // The 8-bit map is within 2% of the largest scale's distance from the mean.
    for (uint64_t j = 0; j < cols; ++j) ASSERT_NEAR(actual[j], expected[j], 0.003f) << r << " " << j;
  }
}

}  // namespace
}  // namespace nibble::learned_scales_test
