#include "quantize/smoothquant.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "quantize/test_golden.h"

namespace nibble::smoothquant_test {
namespace {

std::vector<float> largest_of_columns(const std::vector<float>& values, size_t cols) {
  std::vector<float> largest(cols);
  for (size_t i = 0; i < values.size(); ++i) {
    largest[i % cols] = std::max(largest[i % cols], std::abs(values[i]));
  }
  return largest;
}

/// Against equation 4 in NumPy (tests/reference/make_smoothquant_golden.py).
TEST(SmoothQuant, TheScalesOfThePapersEquation) {
  constexpr size_t kRows = 24, kCols = 40, kTokens = 32;
  auto golden = read_golden("smoothquant.txt");
  std::vector<float> x = golden_values(1, kTokens * kCols), w = golden_values(2, kRows * kCols);
  for (size_t i = 0; i < x.size(); ++i) x[i] *= i % kCols % 13 == 4 ? 64.0f : 1.0f;
  const std::vector<float> second = golden_values(3, kRows * kCols);
  w.insert(w.end(), second.begin(), second.end());
  for (const auto& [name, alpha] :
       {std::pair("alpha0.0", 0.0f), {"alpha0.5", 0.5f}, {"alpha0.8", 0.8f}, {"alpha1.0", 1.0f}}) {
    SCOPED_TRACE(name);
    const std::vector<float> expected = floats(golden[name]);
    const std::vector<float> scales =
        smoothquant_scales(largest_of_columns(x, kCols), largest_of_columns(w, kCols), alpha);
    ASSERT_EQ(expected.size(), kCols);
    for (size_t j = 0; j < kCols; ++j) EXPECT_NEAR(scales[j], expected[j], 1e-5f * expected[j]) << j;
  }
}

TEST(SmoothQuant, DeadChannelsStayAndColumnsOfZerosLeaveAFiniteScale) {
  const std::vector<float> inputs = {0.0f, 4.0f, 1e-30f}, weights = {2.0f, 0.0f, 1.0f};
  for (const float alpha : {0.0f, 0.5f, 1.0f}) {
    const std::vector<float> scales = smoothquant_scales(inputs, weights, alpha);
    EXPECT_EQ(scales[0], 1.0f);
    for (const float scale : scales) EXPECT_TRUE(scale >= 1e-5f && scale <= 1e6f) << alpha;
  }
}

}  // namespace
}  // namespace nibble::smoothquant_test
