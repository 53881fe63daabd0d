#include "runtime/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace nibble {
namespace {

// Goldens from rope_frequencies in tests/reference/forward.py, for heads of 16.
ModelConfig config_of(RopeScaling scaling, float factor = 1.0f, uint32_t original_context = 0) {
  ModelConfig config;
  config.context_length = 256;
  config.head_dim = 16;
  config.rope.dims = 16;
  config.rope.scaling = scaling;
  config.rope.factor = factor;
  config.rope.original_context = original_context;
  return config;
}

void expect_frequencies(const ModelConfig& config, uint32_t length, const std::vector<double>& expected) {
  const std::vector<double> frequencies = Rope(config).frequencies(length);
  ASSERT_EQ(frequencies.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(frequencies[i], expected[i], 1e-8 * expected[i]) << i;
}

const std::vector<double> kPlain = {1,    0.316227766,   0.1,   0.0316227766,
                                    0.01, 0.00316227766, 0.001, 0.000316227766};

TEST(RopeTest, Plain) {
  expect_frequencies(config_of(RopeScaling::none), 1000, kPlain);
  ModelConfig config = config_of(RopeScaling::none);
  config.rope.theta = 5e5f;
  config.rope.dims = 12;
  expect_frequencies(config, 1,
                     {1, 0.112246205, 0.0125992105, 0.00141421356, 0.000158740105, 1.78179744e-05});
}

TEST(RopeTest, Linear) {
  expect_frequencies(
      config_of(RopeScaling::linear, 4.0f), 1,
      {0.25, 0.0790569415, 0.025, 0.00790569415, 0.0025, 0.000790569415, 0.00025, 7.90569415e-05});
}

TEST(RopeTest, DynamicFollowsTheLengthBeyondTheOriginalContext) {
  const ModelConfig config = config_of(RopeScaling::dynamic, 4.0f, 64);
  expect_frequencies(config, 1, kPlain);
  expect_frequencies(config, 64, kPlain);
  expect_frequencies(config, 100,
                     {1, 0.267222982, 0.0714081219, 0.0190818913, 0.00509911988, 0.00136260202,
                      0.000364118574, 9.73008511e-05});
}

TEST(RopeTest, Llama3) {
  expect_frequencies(
      config_of(RopeScaling::llama3, 8.0f, 64), 1,
      {1, 0.244384599, 0.013042256, 0.00395284708, 0.00125, 0.000395284708, 0.000125, 3.95284708e-05});
}

TEST(RopeTest, Yarn) {
  ModelConfig config = config_of(RopeScaling::yarn, 4.0f, 64);
  expect_frequencies(config, 1,
                     {1, 0.237170825, 0.05, 0.00790569415, 0.0025, 0.000790569415, 0.00025, 7.90569415e-05});
  float cosines[8], sines[8];
  Rope(config).angles(kPlain, 0, cosines, sines);
  EXPECT_FLOAT_EQ(cosines[0], 1.13862944f);

  config = config_of(RopeScaling::yarn, 8.0f, 32);
  config.rope.beta_fast = 16.0f;
  config.rope.beta_slow = 2.0f;
  config.rope.attention_factor = 1.4f;
  expect_frequencies(
      config, 1, {1, 0.0395284708, 0.0125, 0.00395284708, 0.00125, 0.000395284708, 0.000125, 3.95284708e-05});
  Rope(config).angles(kPlain, 0, cosines, sines);
  EXPECT_FLOAT_EQ(cosines[0], 1.4f);
}

TEST(RopeTest, FactorsDivideEachFrequency) {
  ModelConfig config = config_of(RopeScaling::none);
  config.rope.freq_factors = {1, 2, 4, 8, 1, 1, 1, 10};
  expect_frequencies(config, 1,
                     {1, 0.158113883, 0.025, 0.00395284708, 0.01, 0.00316227766, 0.001, 3.16227766e-05});
}

TEST(RopeTest, RotatesTheFirstElementsInEitherLayout) {
  ModelConfig config = config_of(RopeScaling::none);
  config.rope.dims = 4;  // frequencies 1 and 0.01
  for (const RopeLayout layout : {RopeLayout::interleaved, RopeLayout::halves}) {
    config.rope.layout = layout;
    const Rope rope(config);
    float cosines[2], sines[2], head[6] = {1, 2, 3, 4, 5, 6};
    rope.angles(rope.frequencies(8), 7, cosines, sines);
    rope.rotate(head, cosines, sines);
    const size_t step = layout == RopeLayout::interleaved ? 1 : 2;
    const size_t second = layout == RopeLayout::interleaved ? 2 : 1;
    const float original[6] = {1, 2, 3, 4, 5, 6};
    for (size_t pair = 0; pair < 2; ++pair) {
      const size_t i = pair * second, j = i + step;
      const double angle = pair == 0 ? 7.0 : 0.07;
      EXPECT_NEAR(head[i], original[i] * std::cos(angle) - original[j] * std::sin(angle), 1e-6);
      EXPECT_NEAR(head[j], original[j] * std::cos(angle) + original[i] * std::sin(angle), 1e-6);
    }
    EXPECT_EQ(head[4], 5);
    EXPECT_EQ(head[5], 6);
  }
}

TEST(RopeTest, FarPositionsKeepTheirPrecision) {
  const Rope rope(config_of(RopeScaling::none));
  float cosines[8], sines[8];
  rope.angles(rope.frequencies(1), 1000000, cosines, sines);
  EXPECT_FLOAT_EQ(cosines[0], 0.93675213f);  // cos(10^6)
  EXPECT_FLOAT_EQ(sines[0], -0.34999350f);
}

}  // namespace
}  // namespace nibble
