#include "quantize/prune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "quantize/quantize_row.h"
#include "quantize/test_golden.h"
#include "quantize/test_matrices.h"

namespace nibble::prune_test {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kRows = 36, kCols = 160,
                   kTokens = 512;  // more rows than a strip, more columns than a lane

/// As make_input() of tests/reference/make_prune_golden.py.
std::vector<float> inputs() {
  const std::vector<float> own = golden_values(2, kTokens * kCols);
  std::vector<float> x = own;
  for (size_t i = 0; i < x.size(); ++i) {
    if (i % kCols > 0) x[i] += 0.5f * own[i - 1];
    x[i] *= i % kCols % 16 == 5 ? 4.0f : 1.0f;
  }
  return x;
}
std::vector<float> weights() {
  return golden_values(1, kRows * kCols);
}

std::vector<float> squares_of(const std::vector<float>& x) {
  std::vector<double> sums(kCols);
  for (size_t i = 0; i < x.size(); ++i) sums[i % kCols] += double(x[i]) * x[i];
  return {sums.begin(), sums.end()};
}

std::vector<float> wanda(const char* sparsity, int threads = 2) {
  ThreadPool pool(threads);
  std::vector<float> w = weights();
  wanda_prune(w.data(), kRows, kCols, squares_of(inputs()), parse_sparsity(sparsity), pool);
  return w;
}

std::vector<float> sparsegpt(const char* sparsity, int threads = 2, std::vector<float> x = inputs()) {
  ThreadPool pool(threads);
  GptqOptions options;
  options.by_activation = false;
  const GptqFactor factor = gptq_factor(hessian_of(x, kCols, pool), kCols, options, "w", pool);
  std::vector<float> w = weights();
  sparsegpt_prune(w.data(), kRows, kCols, factor, parse_sparsity(sparsity), pool);
  return w;
}

/// The squared error of the outputs.
double output_error(const std::vector<float>& pruned) {
  const std::vector<float> x = inputs(), w = weights();
  double sum = 0;
  for (uint64_t t = 0; t < kTokens; ++t) {
    for (uint64_t r = 0; r < kRows; ++r) {
      double error = 0;
      for (uint64_t j = 0; j < kCols; ++j)
        error += double(x[t * kCols + j]) * (double(pruned[r * kCols + j]) - w[r * kCols + j]);
      sum += error * error;
    }
  }
  return sum;
}

TEST(Prune, WandaTakesTheWeightsOfThePapersScore) {
  auto golden = read_golden("prune.txt");
  const std::vector<float> w = weights();
  for (const auto& [name, sparsity] :
       {std::pair("wanda_half", "0.5"), {"wanda_2:4", "2:4"}, {"wanda_16:32", "16:32"}}) {
    SCOPED_TRACE(name);
    const std::vector<std::byte>& bits = golden[name];
    ASSERT_EQ(bits.size(), w.size() / 8);
    const std::vector<float> pruned = wanda(sparsity);
    for (size_t i = 0; i < w.size(); ++i) {
      const bool drop = (int(bits[i / 8]) >> i % 8 & 1) != 0;
      ASSERT_EQ(pruned[i], drop ? 0.0f : w[i]) << i;
    }
  }
}

TEST(Prune, SparseGptTakesTheWeightsOfThePaperAndMovesTheOthersAsIt) {
  auto golden = read_golden("prune.txt");
  for (const auto& [name, sparsity] : {std::pair("sparsegpt_half", "0.5"), {"sparsegpt_2:4", "2:4"}}) {
    SCOPED_TRACE(name);
    const std::vector<float> expected = floats(golden[name]), pruned = sparsegpt(sparsity);
    ASSERT_EQ(expected.size(), pruned.size());
    for (size_t i = 0; i < pruned.size(); ++i) {
      ASSERT_EQ(pruned[i] == 0, expected[i] == 0) << i;
      ASSERT_NEAR(pruned[i], expected[i], 1e-4f) << i;
    }
  }
}

TEST(Prune, PatternsAndSharesAreKept) {
  for (const auto& [sparsity, group, zeros] :
       {std::tuple("2:4", 4u, 2), {"1:4", 4u, 3}, {"4:8", 8u, 4}, {"3:16", 16u, 13}, {"16:32", 32u, 16}}) {
    for (const std::vector<float>& pruned : {wanda(sparsity), sparsegpt(sparsity)}) {
      for (size_t first = 0; first < pruned.size(); first += group) {
        ASSERT_EQ(std::count(&pruned[first], &pruned[first] + group, 0.0f), zeros)
            << sparsity << " " << first;
      }
    }
  }
  const std::vector<float> rows = wanda("0.3"), blocks = sparsegpt("0.3");
  for (uint64_t r = 0; r < kRows; ++r)
    EXPECT_EQ(std::count(&rows[r * kCols], &rows[r * kCols] + kCols, 0.0f), int(0.3f * kCols)) << r;
  EXPECT_EQ(std::count(blocks.begin(), blocks.end(), 0.0f), int(0.3f * kRows * 128) + int(0.3f * kRows * 32));
}

TEST(Prune, MakingErrorsGoodCostsLessThanLeavingThem) {
  EXPECT_LT(output_error(sparsegpt("0.5")), 0.9 * output_error(wanda("0.5")));
  EXPECT_LT(output_error(sparsegpt("2:4")), 0.9 * output_error(wanda("2:4")));
  std::vector<float> by_magnitude = weights();
  ThreadPool pool(1);
  wanda_prune(by_magnitude.data(), kRows, kCols, std::vector<float>(kCols, 1.0f), {}, pool);
  EXPECT_LT(output_error(wanda("0.5")), 0.9 * output_error(by_magnitude));
}

TEST(Prune, ThreadsDoNotChangeTheResult) {
  EXPECT_EQ(wanda("0.5", 1), wanda("0.5", 3));
  EXPECT_EQ(sparsegpt("0.5", 1), sparsegpt("0.5", 3));
  EXPECT_EQ(sparsegpt("2:4", 1), sparsegpt("2:4", 3));
}

TEST(Prune, DeadChannelsGoFirst) {
  std::vector<float> x = inputs();
  for (size_t t = 0; t < kTokens; ++t) x[t * kCols + 77] = 0;
  ThreadPool pool(1);
  std::vector<float> w = weights();
  wanda_prune(w.data(), kRows, kCols, squares_of(x), parse_sparsity("0.1"), pool);
  const std::vector<float> compensated = sparsegpt("0.1", 1, x);
  for (uint64_t r = 0; r < kRows; ++r) {
    EXPECT_EQ(w[r * kCols + 77], 0.0f);
    EXPECT_EQ(compensated[r * kCols + 77], 0.0f);
  }
}

/// What keeps_zeros says is what rounding to nearest does.
TEST(Prune, ZerosStayZerosInTypesThatHaveOne) {
  constexpr uint64_t kLength = 2048;
  for (const DTypeInfo& info : all_dtypes()) {
    if (info.layout == Layout::planes) continue;
    SCOPED_TRACE(info.name);
    std::vector<float> x = make_values(Distribution::student3, kLength);
    for (size_t i = 0; i < x.size(); i += 4) x[i] = x[i + 1 + i / 4 % 3] = 0;
    std::vector<float> importance(kLength);
    for (size_t i = 0; i < kLength; ++i) importance[i] = float(1 + i % 9);
    bool all_stay = true;
    for (const float* of :
         {static_cast<const float*>(nullptr), static_cast<const float*>(importance.data())}) {
      const std::vector<float> y = rounded_to_nearest(info.dtype, x, kLength, of);
      for (size_t i = 0; i < kLength; ++i) all_stay = all_stay && (x[i] != 0 || y[i] == 0);
    }
    EXPECT_EQ(all_stay, keeps_zeros(info.dtype));
  }
}

TEST(Prune, TheSparseTwinIsTakenWhereItHoldsThePattern) {
  const auto stored = [](DType dtype, const char* sparsity) {
    return pruned_dtype(dtype, parse_sparsity(sparsity));
  };
  for (const char* pattern : {"2:4", "1:4", "4:8", "16:32"}) {
    EXPECT_EQ(stored(DType::Q8_0, pattern), DType::Q8_S50) << pattern;
    EXPECT_EQ(stored(DType::Q4_0, pattern), DType::Q4_S50) << pattern;
    EXPECT_EQ(stored(DType::F16, pattern), DType::F16) << pattern;
  }
  EXPECT_EQ(stored(DType::Q8_0, "3:4"), DType::Q8_0);
  EXPECT_EQ(stored(DType::Q8_0, "0.5"), DType::Q8_0);
}

TEST(Prune, SparsityIsAShareOrAPattern) {
  EXPECT_FLOAT_EQ(parse_sparsity("0.25").share, 0.25f);
  EXPECT_FALSE(parse_sparsity("0.25").has_pattern());
  EXPECT_EQ(parse_sparsity("2:4").keep, 2u);
  EXPECT_EQ(parse_sparsity("2:4").group, 4u);
  EXPECT_FLOAT_EQ(parse_sparsity("1:4").share, 0.75f);
  for (const char* text : {"0.5", "2:4"}) EXPECT_EQ(sparsity_name(parse_sparsity(text)), text);
  for (const char* text :
       {"", "0", "1", "-0.5", "nan", "0.5x", "4:2", "4:4", "0:4", "2:5", "32:64", "2:", ":4"}) {
    EXPECT_THROW(parse_sparsity(text), UsageError) << text;
  }
}

}  // namespace
}  // namespace nibble::prune_test
