#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/linear.h"
#include "kernels/ref/quantize_activations.h"
#include "kernels/registry.h"
#include "kernels/vector_ops.h"

namespace nibble {
namespace {

/// Room for one token of `cols` columns.
struct Quantized {
  explicit Quantized(size_t cols, ActivationGroups groups = 32)
      : steps((cols + groups.scale - 1) / groups.scale),
        q(steps * groups.scale, 99),
        moved(q.size()),
        scale(steps),
        scaled_sums(q.size() / groups.sum),
        sums(q.size() / groups.sum) {}
  QuantizedToken token() {
    return {q.data(), moved.data(), scale.data(), sums.data(), scaled_sums.data(), 1};
  }

  size_t steps;
  std::vector<int8_t> q;
  std::vector<uint8_t> moved;
  std::vector<float> scale, scaled_sums;
  std::vector<int32_t> sums;
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
  reference_quantize_activations(x.data(), x.size(), 32, out.token());
  EXPECT_EQ(out.scale[0], 2.0f);
  EXPECT_EQ(out.q[0], -127);
  EXPECT_EQ(out.q[1], 64);
  EXPECT_EQ(out.q[2], 2);
  EXPECT_EQ(out.q[3], 0);
  EXPECT_EQ(out.sums[0], -127 + 64 + 2);
  EXPECT_EQ(out.scaled_sums[0], 2.0f * (-127 + 64 + 2));
  EXPECT_EQ(out.moved[0], 1);
  EXPECT_EQ(out.moved[3], 128);
  EXPECT_EQ(out.q[33], 127);
  for (size_t i = 40; i < 64; ++i) EXPECT_EQ(out.q[i], 0) << "padding " << i;
}

TEST(QuantizeActivations, GroupsShareScaleAndSum) {
  std::vector<float> x(200, 1.0f);
  x[100] = 127.0f;
  Quantized halves(x.size(), 16), wide(x.size(), 128);
  reference_quantize_activations(x.data(), x.size(), 16, halves.token());
  reference_quantize_activations(x.data(), x.size(), 128, wide.token());
  EXPECT_EQ(halves.q.size(), 224u);
  EXPECT_EQ(halves.scale[0], 1.0f / 127.0f);
  EXPECT_EQ(halves.scale[3], 1.0f);
  EXPECT_EQ(halves.sums[5], 16 * 127);
  EXPECT_EQ(halves.sums[6], 127 + 15);
  EXPECT_EQ(halves.scaled_sums[6], 127.0f + 15.0f);
  EXPECT_EQ(wide.q.size(), 256u);
  EXPECT_EQ(wide.scale[0], 1.0f);
  EXPECT_EQ(wide.sums[0], 127 + 127);
  EXPECT_EQ(wide.sums[1], 72 * 127);
  const ActivationGroups quarters{16, 64};
  Quantized parts(x.size(), quarters);
  reference_quantize_activations(x.data(), x.size(), quarters, parts.token());
  EXPECT_EQ(parts.q.size(), 256u);
  EXPECT_EQ(parts.scale[0], 1.0f / 127.0f);
  EXPECT_EQ(parts.scale[1], 1.0f);
  EXPECT_EQ(parts.sums[3], 16 * 127);
  EXPECT_EQ(parts.sums[5], 16);
  EXPECT_EQ(parts.sums[6], 127 + 15);
}

void expect_same_floats(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(actual[i])) << i;
    } else {
      EXPECT_EQ(actual[i], expected[i]) << i;
    }
  }
}

TEST(QuantizeActivations, EveryInstructionSetGivesTheSameBits) {
  for (Isa isa : cpu_info().isas) {
    SCOPED_TRACE(isa_name(isa));
    for (const ActivationGroups groups : {ActivationGroups(16), {16, 64}, {32}, {64}, {128}}) {
      for (size_t cols : {1u, 31u, 32u, 33u, 64u, 127u, 129u, 1000u}) {
        std::vector<float> x = random_values(cols, cols);
        if (cols > 40) {
          x[35] = std::numeric_limits<float>::infinity();
          x[40] = std::numeric_limits<float>::denorm_min();
        }
        if (cols > 500) {
          x[270] = std::numeric_limits<float>::quiet_NaN();
          std::fill_n(x.begin() + 384, 128, 0.0f);
        }
        Quantized expected(cols, groups), actual(cols, groups);
        reference_quantize_activations(x.data(), cols, groups, expected.token());
        select_quantize_activations(isa)(x.data(), cols, groups, actual.token());
        EXPECT_EQ(actual.q, expected.q);
        EXPECT_EQ(actual.moved, expected.moved);
        EXPECT_EQ(actual.sums, expected.sums);
        expect_same_floats(actual.scale, expected.scale);
        expect_same_floats(actual.scaled_sums, expected.scaled_sums);
      }
    }
  }
}

TEST(QuantizeActivations, GroupsThatAreNotFiniteKeepThatInTheirScale) {
  for (const float bad : {INFINITY, -INFINITY, NAN}) {
    std::vector<float> x(32, 1.0f);
    x[7] = bad;
    Quantized out(32);
    reference_quantize_activations(x.data(), 32, 32, out.token());
    EXPECT_FALSE(std::isfinite(out.scale[0]));
  }
}

TEST(Activations, NormalizedAsTheyAreTaken) {
  ThreadPool pool(2);
  const size_t tokens = 3, cols = 80;
  const std::vector<float> x = random_values(tokens * cols, 1), weight = random_values(cols, 2);
  std::vector<float> normed(x.size());
  for (size_t t = 0; t < tokens; ++t)
    vector_ops().rms_norm(&x[t * cols], weight.data(), 1e-5f, &normed[t * cols], cols);
  Activations fused, plain;
  fused.set_normalized(x.data(), weight.data(), 1e-5f, tokens, cols);
  plain.set(normed.data(), tokens, cols);
  const ActivationArgs floats = fused.form(ActivationForm::f32, 0, pool);
  EXPECT_EQ(std::vector<float>(floats.x, floats.x + x.size()), normed);
  const ActivationArgs expected = plain.form(ActivationForm::int8, 32, pool);
  const ActivationArgs actual = fused.form(ActivationForm::int8, 32, pool);
  for (size_t t = 0; t < tokens; ++t)
    EXPECT_EQ(std::memcmp(actual.q + t * actual.stride, expected.q + t * expected.stride, cols), 0);
}

TEST(Activations, FormsAreMadeOnceAndDroppedBySet) {
  ThreadPool pool(2);
  const std::vector<float> x = random_values(9 * 100, 1), y = random_values(9 * 100, 2);
  Activations activations;
  activations.set(x.data(), 9, 100);
  const ActivationArgs first = activations.form(ActivationForm::int8, 32, pool);
  EXPECT_EQ(first.padded_cols, 128u);
  EXPECT_EQ(first.q16, nullptr);
  const std::vector<int8_t> q(first.q, first.q + 9 * 128);
  const ActivationArgs pairs = activations.form(ActivationForm::int16, 32, pool);
  for (size_t i = 0; i < q.size(); i += 4) {
    EXPECT_EQ(pairs.q16[i], q[i]);
    EXPECT_EQ(pairs.q16[i + 1], q[i + 2]);
    EXPECT_EQ(pairs.q16[i + 2], q[i + 1]);
    EXPECT_EQ(pairs.q16[i + 3], q[i + 3]);
  }
  activations.set(y.data(), 9, 100);
  const ActivationArgs second = activations.form(ActivationForm::int16, 32, pool);
  EXPECT_NE(std::memcmp(second.q, q.data(), q.size()), 0);
  EXPECT_EQ(second.q16[1], second.q[2]);
}

}  // namespace
}  // namespace nibble
