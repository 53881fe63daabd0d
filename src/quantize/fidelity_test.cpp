#include "quantize/fidelity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "quantize/double_quant.h"
#include "quantize/quantize_row.h"
#include "quantize/test_rows.h"
#include "tensor/dequantize.h"

namespace nibble {
namespace {

constexpr uint64_t kRows = 32, kCols = 2048;  // as tests/golden/llamacpp_rmse.txt

std::vector<std::byte> quantize(DType dtype, const std::vector<float>& x) {
  std::vector<std::byte> bytes(*tensor_bytes(dtype, kRows, kCols));
  if (dtype_info(dtype).layout == Layout::planes) {
    DoubleQuantizer quantizer(dtype, x.size());
    quantizer.add(0, x.data(), x.size(), bytes.data());
    const std::vector<std::byte> scales = quantizer.finish();
    std::copy(scales.begin(), scales.end(), bytes.begin() + int64_t(x.size() / 2));
    return bytes;
  }
  const uint64_t stride = row_bytes(dtype, kCols);
  for (uint64_t row = 0; row < kRows; ++row) {
    quantize_row(dtype, &x[row * kCols], &bytes[row * stride], kCols);
  }
  return bytes;
}

/// Half of the values for types that store no more.
Fidelity fidelity_of(DType dtype, std::vector<float> x, int threads = 1) {
  ThreadPool pool(threads);
  if (dense_dtype(dtype)) {
    for (size_t i = 1; i < x.size(); i += 2) x[i] = 0;
  }
  const std::vector<std::byte> bytes = quantize(dtype, x);
  const auto rows = [&](uint64_t row, float* w) { std::copy_n(&x[row * kCols], kCols, w); };
  return measure_fidelity({"w", dtype, {kRows, kCols}, bytes}, rows, pool);
}

TEST(Fidelity, IsTheCosineAndTheErrorOfItsDefinition) {
  const float w[] = {3, 0, 0, 0, -4}, q[] = {3, 0, 0, 4, 0};
  Fidelity fidelity;
  fidelity.add(w, q, 5);
  EXPECT_DOUBLE_EQ(fidelity.cosine(), 9.0 / 25);
  EXPECT_DOUBLE_EQ(fidelity.relative_error(), std::sqrt(32.0) / 5);
  EXPECT_TRUE(fidelity.finite());
  const float nothing[] = {0};
  Fidelity zeros;
  zeros.add(nothing, nothing, 1);
  EXPECT_EQ(zeros.cosine(), 1);
  EXPECT_EQ(zeros.relative_error(), 0);
  zeros.add(nothing, w, 1);
  EXPECT_EQ(zeros.relative_error(), INFINITY);
  for (const float bad : {INFINITY, std::numeric_limits<float>::quiet_NaN()}) {
    Fidelity broken;
    broken.add(w, &bad, 1);
    EXPECT_FALSE(broken.finite());
  }
}

TEST(Fidelity, DoesNotDependOnThreads) {
  const std::vector<float> x = make_values(Distribution::laplace, kRows * kCols);
  for (const DType dtype : {DType::Q4_K, DType::NF4_DQ}) {
    const Fidelity one = fidelity_of(dtype, x, 1), three = fidelity_of(dtype, x, 3);
    EXPECT_EQ(one.error, three.error);
    EXPECT_EQ(one.product, three.product);
  }
}

class EveryType : public ::testing::TestWithParam<DTypeInfo> {};
INSTANTIATE_TEST_SUITE_P(Types, EveryType, ::testing::ValuesIn(all_dtypes().begin(), all_dtypes().end()),
                         [](const auto& test) { return std::string(test.param.name); });

/// With a margin: tails that are heavier than those of weights, and an outlier in every block of 32.
TEST_P(EveryType, HoldsOrdinaryWeights) {
  const DType dtype = GetParam().dtype;
  const double bound = largest_error(dtype);
  for (const auto distribution : {Distribution::gauss, Distribution::student3, Distribution::laplace}) {
    const double error = fidelity_of(dtype, make_values(distribution, kRows * kCols)).relative_error();
    EXPECT_LE(error, bound / 2) << int(distribution);
  }
  std::vector<float> x = make_values(Distribution::gauss, kRows * kCols);
  if (bound < 0.6) {
    EXPECT_LE(fidelity_of(dtype, x).relative_error(), bound / 4);
  }
  for (size_t i = 0; i < x.size(); i += 32) x[i] *= 20;
  EXPECT_LE(fidelity_of(dtype, x).relative_error(), bound / 1.5);
}

/// llama.cpp's errors on Gaussian weights: the bounds are no wider than said.
TEST(LargestError, IsFourTimesTheErrorOfGaussianWeights) {
  std::ifstream in(NIBBLE_SOURCE_DIR "/tests/golden/llamacpp_rmse.txt");
  std::string type, distribution, line;
  std::getline(in, line);
  int types = 0;
  for (double error; in >> type >> distribution >> error;) {
    const DType dtype = dtype_from_name(type).value();
    if (distribution != "gauss" || dtype == DType::Q2_K || dtype == DType::Q3_K) continue;
    EXPECT_NEAR(largest_error(dtype) / (4 * error / 0.02), 1, 0.12) << type;
    ++types;
  }
  EXPECT_EQ(types, 11);
}

/// Scales that are halves end at 65504 and 2^-24: the values of a block at some multiple of that.
TEST_P(EveryType, KnowsWhatItsScalesCannotHold) {
  const DType dtype = GetParam().dtype;
  const bool half_scales = dtype != DType::F32 && dtype != DType::BF16 && dtype != DType::MXFP4 &&
                           dtype != DType::INT8 && !dtype_info(dtype).name.starts_with("NF4") &&
                           !dtype_info(dtype).name.starts_with("FP4");
  const std::vector<float> x = make_values(Distribution::gauss, kRows * kCols);
  for (const float factor : {1e11f, 1e-7f}) {
    std::vector<float> far = x;
    for (float& value : far) value *= factor;
    const Fidelity fidelity = fidelity_of(dtype, far);
    const bool held = fidelity.finite() && fidelity.relative_error() <= largest_error(dtype);
    const bool power_of_two_ends = dtype == DType::MXFP4 && factor > 1;  // its search takes values up to 1e9
    EXPECT_EQ(held, !half_scales && !power_of_two_ends) << factor;
  }
}

TEST_P(EveryType, IsPromotedToF32InTheEnd) {
  for (const uint64_t cols : {2048, 96, 50}) {
    DType dtype = GetParam().dtype;
    int steps = 0;
    for (; dtype != DType::F32; ++steps) {
      const DType wider = promoted_dtype(dtype, cols);
      if (cols == 2048) {
        EXPECT_GT(*tensor_bytes(wider, 1, cols), *tensor_bytes(dtype, 1, cols)) << dtype_name(dtype);
      }
      ASSERT_TRUE(tensor_bytes(wider, 1, cols)) << dtype_name(wider) << " " << cols;
      ASSERT_NE(wider, dtype);
      dtype = wider;
    }
    EXPECT_LE(steps, 6);
  }
}

TEST(PromotedDType, ClimbsTheLadder) {
  std::vector<DType> rungs;
  for (DType dtype = DType::Q2_K; dtype != DType::F32;) rungs.push_back(dtype = promoted_dtype(dtype, 2048));
  EXPECT_EQ(rungs, (std::vector{DType::Q4_K, DType::Q5_K, DType::Q6_K, DType::Q8_0, DType::F16, DType::F32}));
  EXPECT_EQ(promoted_dtype(DType::Q4_0, 96), DType::Q5_1);  // rows of 96 take no K-quants
  EXPECT_EQ(promoted_dtype(DType::Q5_1, 96), DType::Q8_0);
  EXPECT_EQ(promoted_dtype(DType::INT8, 50), DType::F16);
  EXPECT_EQ(promoted_dtype(DType::Q4_S50, 2048), DType::Q4_0);
  EXPECT_EQ(promoted_dtype(DType::Q8_S50, 2048), DType::Q8_0);
}

}  // namespace
}  // namespace nibble
