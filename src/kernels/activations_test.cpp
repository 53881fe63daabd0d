#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/linear.h"
#include "kernels/ref/quantize_activations.h"
#include "kernels/registry.h"

namespace nibble {
namespace {

struct Quantized {
  explicit Quantized(size_t cols)
      : groups((cols + 31) / 32), q(groups * 32, 99), scale(groups), sums32(groups), sums16(groups * 2) {}
  QuantizedToken token() { return {q.data(), scale.data(), sums32.data(), sums16.data()}; }

  size_t groups;
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sums32, sums16;
};

std::vector<float> random_values(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& v : x) v = normal(random);
  return x;
}

TEST(QuantizeActivations, RoundsToTheScaleOfTheGroup) {
  std::vector<float> x(40, 0.0f);
  x[0] = -254.0f;
  x[1] = 127.0f;
  x[2] = 3.0f;  // 1.5 rounds to even
  x[3] = 1.0f;  // 0.5 rounds to even
  x[33] = 0.5f;
  Quantized out(x.size());
  reference_quantize_activations(x.data(), x.size(), out.token());
  EXPECT_EQ(out.scale[0], 2.0f);
  EXPECT_EQ(out.q[0], -127);
  EXPECT_EQ(out.q[1], 64);
  EXPECT_EQ(out.q[2], 2);
  EXPECT_EQ(out.q[3], 0);
  EXPECT_EQ(out.sums32[0], -127 + 64 + 2);
  EXPECT_EQ(out.sums16[1], 0);
  EXPECT_EQ(out.q[33], 127);
  for (size_t i = 40; i < 64; ++i) EXPECT_EQ(out.q[i], 0) << "padding " << i;
}

TEST(QuantizeActivations, EveryInstructionSetGivesTheSameBits) {
  for (Isa isa : cpu_info().isas) {
    SCOPED_TRACE(isa_name(isa));
    for (size_t cols : {1u, 31u, 32u, 33u, 64u, 1000u}) {
      std::vector<float> x = random_values(cols, cols);
      if (cols > 40) {
        x[35] = std::numeric_limits<float>::infinity();
        x[40] = std::numeric_limits<float>::denorm_min();
      }
      if (cols > 100) {
        x[70] = std::numeric_limits<float>::quiet_NaN();
        std::fill_n(x.begin() + 96, 32, 0.0f);
      }
      Quantized expected(cols), actual(cols);
      reference_quantize_activations(x.data(), cols, expected.token());
      select_quantize_activations(isa)(x.data(), cols, actual.token());
      EXPECT_EQ(actual.q, expected.q);
      EXPECT_EQ(actual.sums16, expected.sums16);
      EXPECT_EQ(actual.sums32, expected.sums32);
      for (size_t g = 0; g < expected.groups; ++g) {
        if (std::isnan(expected.scale[g])) {
          EXPECT_TRUE(std::isnan(actual.scale[g]));
        } else {
          EXPECT_EQ(actual.scale[g], expected.scale[g]);
        }
      }
    }
  }
}

TEST(QuantizeActivations, GroupsThatAreNotFiniteKeepThatInTheirScale) {
  for (const float bad : {INFINITY, -INFINITY, NAN}) {
    std::vector<float> x(32, 1.0f);
    x[7] = bad;
    Quantized out(32);
    reference_quantize_activations(x.data(), 32, out.token());
    EXPECT_FALSE(std::isfinite(out.scale[0]));
  }
}

TEST(Activations, FormsAreMadeOnceAndDroppedBySet) {
  ThreadPool pool(2);
  const std::vector<float> x = random_values(9 * 100, 1), y = random_values(9 * 100, 2);
  Activations activations;
  activations.set(x.data(), 9, 100);
  const ActivationArgs first = activations.form(ActivationForm::int8, pool);
  EXPECT_EQ(first.padded_cols, 128u);
  EXPECT_EQ(first.q16, nullptr);
  const std::vector<int8_t> q(first.q, first.q + 9 * 128);
  const ActivationArgs pairs = activations.form(ActivationForm::int16, pool);
  for (size_t i = 0; i < q.size(); i += 4) {
    EXPECT_EQ(pairs.q16[i], q[i]);
    EXPECT_EQ(pairs.q16[i + 1], q[i + 2]);
    EXPECT_EQ(pairs.q16[i + 2], q[i + 1]);
    EXPECT_EQ(pairs.q16[i + 3], q[i + 3]);
  }
  activations.set(y.data(), 9, 100);
  const ActivationArgs second = activations.form(ActivationForm::int16, pool);
  EXPECT_NE(std::memcmp(second.q, q.data(), q.size()), 0);
  EXPECT_EQ(second.q16[1], second.q[2]);
}

}  // namespace
}  // namespace nibble
