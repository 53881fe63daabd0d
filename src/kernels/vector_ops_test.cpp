#include "kernels/vector_ops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/half.h"
#include "kernels/vector_ops_emulated_test.h"

namespace nibble {
namespace {

using testing::ElementsAreArray;

std::vector<float> random_values(size_t n, float spread, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

struct TableCase {
  const char* name;
  Isa isa;  ///< that the machine needs
  const VectorOps* ops;
};

/// Every table; those the machine can't run are skipped visibly.
class VectorOpsTest : public testing::TestWithParam<TableCase> {
 protected:
  void SetUp() override {
    if (!cpu_supports(GetParam().isa)) GTEST_SKIP() << "this machine has no " << GetParam().name;
    ASSERT_NE(ops_, nullptr);
  }
  const VectorOps* ops_ = GetParam().ops;
};

INSTANTIATE_TEST_SUITE_P(Table, VectorOpsTest,
                         testing::Values(TableCase{"scalar", Isa::scalar, vector_ops_of(Isa::scalar)},
                                         TableCase{"avx2", Isa::avx2, vector_ops_of(Isa::avx2)},
                                         TableCase{"avx512", Isa::avx512, vector_ops_of(Isa::avx512)},
                                         TableCase{"emulated", Isa::scalar, &kVectorOpsEmulated}),
                         [](const auto& param) { return std::string(param.param.name); });

constexpr size_t kLengths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 40, 64, 100};

TEST_P(VectorOpsTest, HalvesConvertExactly) {
  std::vector<half> all(65536), back(65536, 0);
  std::vector<float> floats(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = half(i);
  ops_->half_to_float(all.data(), floats.data(), all.size());
  ops_->float_to_half(floats.data(), back.data(), back.size());
  for (size_t i = 0; i < all.size(); ++i) {
    if ((i & 0x7fff) > 0x7c00) {
      ASSERT_TRUE(std::isnan(floats[i])) << i;
    } else {
      ASSERT_EQ(floats[i], half_to_float(half(i))) << i;
      ASSERT_EQ(back[i], half(i)) << i;
    }
  }
  for (size_t n : kLengths) {
    const std::vector<float> x = random_values(n, 3.0f, 1);
    std::vector<half> y(n + 1, 7);
    ops_->float_to_half(x.data(), y.data(), n);
    for (size_t i = 0; i < n; ++i) EXPECT_EQ(y[i], float_to_half(x[i]));
    EXPECT_EQ(y[n], 7) << "wrote past the end";
  }
}

TEST_P(VectorOpsTest, AddAndScaleAreExact) {
  for (size_t n : kLengths) {
    std::vector<float> x = random_values(n + 1, 1.0f, 2), sum = x, scaled(n + 1, 5.0f);
    const std::vector<float> y = random_values(n, 1.0f, 3);
    ops_->add(sum.data(), y.data(), n);
    ops_->scale(x.data(), 0.3f, scaled.data(), n);
    for (size_t i = 0; i < n; ++i) {
      EXPECT_EQ(sum[i], x[i] + y[i]);
      EXPECT_EQ(scaled[i], x[i] * 0.3f);
    }
    EXPECT_EQ(sum[n], x[n]);
    EXPECT_EQ(scaled[n], 5.0f);
  }
}

TEST_P(VectorOpsTest, AddScaledRoundsAtMostTwice) {
  for (size_t n : kLengths) {
    std::vector<float> x = random_values(n + 1, 1.0f, 16), sum = x;
    const std::vector<float> y = random_values(n, 1.0f, 17);
    ops_->add_scaled(sum.data(), y.data(), 0.3f, n);
    for (size_t i = 0; i < n; ++i) {
      const double product = double(y[i]) * 0.3f;
      EXPECT_NEAR(sum[i], x[i] + product, (std::abs(x[i]) + 2 * std::abs(product)) * 0x1p-24);
    }
    EXPECT_EQ(sum[n], x[n]);
  }
}

TEST_P(VectorOpsTest, RmsNormFollowsItsDefinition) {
  for (size_t n : kLengths) {
    const std::vector<float> x = random_values(n, 2.0f, 4), weight = random_values(n, 1.0f, 5);
    std::vector<float> y(n);
    ops_->rms_norm(x.data(), weight.data(), 1e-5f, y.data(), n);
    double squares = 0.0;
    for (float value : x) squares += double(value) * value;
    for (size_t i = 0; i < n; ++i) {
      const double expected = x[i] / std::sqrt(squares / double(n) + 1e-5) * weight[i];
      EXPECT_NEAR(y[i], expected, 1e-6 * std::abs(expected));
    }
  }
}

TEST_P(VectorOpsTest, SiluStaysExactAtItsEnds) {
  std::vector<float> gate = random_values(1001, 4.0f, 6);
  gate.insert(gate.end(), {0.0f, 90.0f, 1e30f, -50.0f, -80.0f, -1e30f});
  const std::vector<float> up = random_values(gate.size(), 1.0f, 7);
  std::vector<float> y = gate;
  ops_->silu_multiply(y.data(), up.data(), y.size());
  for (size_t i = 0; i < y.size(); ++i) {
    const double expected = gate[i] / (1.0 + std::exp(-double(gate[i]))) * up[i];
    // Far below zero the function is within float's subnormals, or exp is held at exp(88).
    EXPECT_NEAR(y[i], expected, 1e-6 * std::abs(expected) + 1e-7) << gate[i];
  }
  float nan = std::numeric_limits<float>::quiet_NaN(), one = 1.0f;
  ops_->silu_multiply(&nan, &one, 1);
  EXPECT_TRUE(std::isnan(nan));
}

TEST_P(VectorOpsTest, RotationTurnsEachPairByItsAngle) {
  for (size_t pairs : {1u, 3u, 4u, 5u, 8u, 12u, 20u, 33u}) {
    const std::vector<float> x = random_values(2 * pairs + 1, 1.0f, 8),
                             angles = random_values(pairs, 2.0f, 9);
    std::vector<float> cosines(pairs), sines(pairs);
    for (size_t i = 0; i < pairs; ++i) {
      cosines[i] = std::cos(angles[i]);
      sines[i] = std::sin(angles[i]);
    }
    std::vector<float> halves = x, interleaved = x;
    ops_->rotate_halves(halves.data(), cosines.data(), sines.data(), pairs);
    ops_->rotate_interleaved(interleaved.data(), cosines.data(), sines.data(), pairs);
    for (size_t i = 0; i < pairs; ++i) {
      const float c = cosines[i], s = sines[i];
      EXPECT_NEAR(halves[i], x[i] * c - x[i + pairs] * s, 1e-6);
      EXPECT_NEAR(halves[i + pairs], x[i + pairs] * c + x[i] * s, 1e-6);
      EXPECT_NEAR(interleaved[2 * i], x[2 * i] * c - x[2 * i + 1] * s, 1e-6);
      EXPECT_NEAR(interleaved[2 * i + 1], x[2 * i + 1] * c + x[2 * i] * s, 1e-6);
    }
    EXPECT_EQ(halves.back(), x.back());
    EXPECT_EQ(interleaved.back(), x.back());
  }
}

TEST_P(VectorOpsTest, HadamardFollowsItsMatrix) {
  for (size_t block : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u}) {
    for (size_t blocks : {1u, 3u, 5u}) {
      const size_t n = block * blocks;
      const std::vector<float> x = random_values(n, 1.0f, 18);
      std::vector<float> y(n + 1, 7.0f);
      ops_->hadamard(x.data(), 0.3f, y.data(), n, block);
      for (size_t i = 0; i < n; ++i) {
        double expected = 0.0, size = 0.0;
        for (size_t j = 0; j < block; ++j) {
          // Sylvester's matrix has (-1)^(number of common bits).
          const double term = 0.3f * double(x[i / block * block + j]);
          expected += std::popcount((i % block) & j) % 2 == 0 ? term : -term;
          size += std::abs(term);
        }
        EXPECT_NEAR(y[i], expected, size * 9 * 0x1p-24) << block;  // a product and at most 7 sums
      }
      EXPECT_EQ(y[n], 7.0f);
      std::vector<float> in_place = x;
      ops_->hadamard(in_place.data(), 0.3f, in_place.data(), n, block);
      EXPECT_TRUE(std::equal(in_place.begin(), in_place.end(), y.begin()));
    }
  }
}

TEST_P(VectorOpsTest, ScoresAreDotProductsInAnyTile) {
  constexpr size_t kRows = 20, kPanels = 4, kPositions = kPanels * kKeyPanel, kStride = kPositions + 3;
  for (size_t dim : {1u, 5u, 24u, 80u, 128u}) {
    const std::vector<float> q = random_values(kRows * dim, 1.0f, 10),
                             k = random_values(kPositions * dim, 1.0f, 11);
    std::vector<float> alone(kRows * kPositions);
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t p = 0; p < kPositions; p += kKeyPanel) {
        const float* panel = &k[p];
        ops_->attention_scores(&q[r * dim], 1, panel, 1, dim, &alone[r * kPositions + p], kKeyPanel);
        for (size_t lane = 0; lane < kKeyPanel; ++lane) {
          double expected = 0.0, size = 0.0;
          for (size_t i = 0; i < dim; ++i) {
            const double product = double(q[r * dim + i]) * panel[i * kKeyStride + lane];
            expected += product;
            size += std::abs(product);
          }
          // Each of at most 2 dim roundings is within 2^-24 of the sum of magnitudes.
          EXPECT_NEAR(alone[r * kPositions + p + lane], expected, size * double(2 * dim) * 0x1p-24);
        }
      }
    }
    for (size_t rows = 1; rows <= kRows; ++rows) {
      for (size_t panels = 1; panels <= kPanels; ++panels) {
        std::vector<float> tile(rows * kStride, -7.0f);
        ops_->attention_scores(q.data(), rows, k.data(), panels, dim, tile.data(), kStride);
        for (size_t r = 0; r < rows; ++r) {
          for (size_t p = 0; p < kStride; ++p) {
            const float expected = p < panels * kKeyPanel ? alone[r * kPositions + p] : -7.0f;
            ASSERT_EQ(tile[r * kStride + p], expected) << rows << " rows, " << panels << " panels";
          }
        }
      }
    }
  }
}

TEST_P(VectorOpsTest, HalvesGiveTheBitsOfTheirFloats) {
  constexpr size_t kPanels = 4, kPositions = kPanels * kKeyPanel, kDim = 48;
  std::vector<float> keys = random_values(kPositions * kDim, 1.0f, 20);
  std::vector<half> halves(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    halves[i] = float_to_half(keys[i]);
    keys[i] = half_to_float(halves[i]);
  }
  for (size_t rows : {1u, 2u, 3u, 4u, 7u}) {
    const std::vector<float> q = random_values(rows * kDim, 1.0f, 21),
                             rescale = random_values(rows, 1.0f, 22);
    std::vector<float> expected(rows * kPositions), scores(rows * kPositions);
    ops_->attention_scores(q.data(), rows, keys.data(), kPanels, kDim, expected.data(), kPositions);
    ops_->attention_scores_half(q.data(), rows, halves.data(), kPanels, kDim, scores.data(), kPositions);
    EXPECT_EQ(scores, expected);
    std::vector<float> expected_out = q, out = q;
    ops_->attention_values(scores.data(), kPositions, rows, keys.data(), kPositions, kDim, rescale.data(),
                           expected_out.data());
    ops_->attention_values_half(scores.data(), kPositions, rows, halves.data(), kPositions, kDim,
                                rescale.data(), out.data());
    EXPECT_EQ(out, expected_out);
  }
}

TEST_P(VectorOpsTest, SoftmaxInStepsIsSoftmax) {
  for (size_t n : kLengths) {
    const std::vector<float> scores = random_values(3 * n, 5.0f, uint32_t(n));
    std::vector<float> weights = scores;
    float max = -std::numeric_limits<float>::infinity(), sum = 0.0f, rescale[3];
    for (size_t step = 0; step < 3; ++step) {
      rescale[step] = ops_->softmax_step(&weights[step * n], n, &max, &sum);
    }
    EXPECT_EQ(rescale[0], 0.0f);
    EXPECT_EQ(max, *std::max_element(scores.begin(), scores.end()));
    double total = 0.0;
    for (float score : scores) total += std::exp(double(score) - max);
    EXPECT_NEAR(sum, total, 1e-6 * total);
    const float later[3] = {rescale[1] * rescale[2], rescale[2], 1.0f};
    for (size_t i = 0; i < scores.size(); ++i) {
      const double expected = std::exp(double(scores[i]) - max);
      EXPECT_NEAR(weights[i] * later[i / n], expected, 2e-6 * expected + 1e-37);
    }
  }
  float scores[2] = {0.0f, -200.0f}, max = -std::numeric_limits<float>::infinity(), sum = 0.0f;
  ops_->softmax_step(scores, 2, &max, &sum);
  EXPECT_THAT(scores, ElementsAreArray({1.0f, 0.0f}));
}

TEST_P(VectorOpsTest, ValuesAreWeightedSumsInAnyTile) {
  constexpr size_t kRows = 11, kStride = 24;
  for (size_t dim : {16u, 32u, 48u, 80u, 128u, 256u}) {
    for (size_t positions : {1u, 2u, 21u}) {
      const std::vector<float> weights = random_values(kRows * kStride, 1.0f, 12);
      const std::vector<float> v = random_values(positions * dim, 1.0f, 13);
      const std::vector<float> before = random_values(kRows * dim, 1.0f, 14),
                               rescale = random_values(kRows, 1.0f, 15);
      std::vector<float> alone = before;
      for (size_t r = 0; r < kRows; ++r) {
        ops_->attention_values(&weights[r * kStride], kStride, 1, v.data(), positions, dim, &rescale[r],
                               &alone[r * dim]);
        for (size_t i = 0; i < dim; ++i) {
          double expected = double(before[r * dim + i]) * rescale[r], size = std::abs(expected);
          for (size_t p = 0; p < positions; ++p) {
            expected += double(weights[r * kStride + p]) * v[p * dim + i];
            size += std::abs(weights[r * kStride + p] * v[p * dim + i]);
          }
          EXPECT_NEAR(alone[r * dim + i], expected, size * double(positions + 2) * 0x1p-24);
        }
      }
      for (size_t rows = 1; rows <= kRows; ++rows) {
        std::vector<float> out(before.begin(), before.begin() + ptrdiff_t(rows * dim));
        ops_->attention_values(weights.data(), kStride, rows, v.data(), positions, dim, rescale.data(),
                               out.data());
        for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], alone[i]) << rows << " rows, element " << i;
      }
    }
  }
}

}  // namespace
}  // namespace nibble
