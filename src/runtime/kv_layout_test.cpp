#include "runtime/kv_layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/stored_token_test.h"

namespace nibble {
namespace {

constexpr uint32_t kDims[] = {5, 20, 64, 80, 96, 100, 128, 256};

class KvLayoutTest : public ::testing::TestWithParam<std::tuple<KvType, uint32_t>> {
 protected:
  const KvLayout layout_{std::get<0>(GetParam()), std::get<1>(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Types, KvLayoutTest,
                         ::testing::Combine(::testing::Values(KvType::f32, KvType::f16, KvType::int8,
                                                              KvType::int4),
                                            ::testing::ValuesIn(kDims)),
                         [](const auto& param) {
                           return std::string(kv_type_name(std::get<0>(param.param))) + "_" +
                                  std::to_string(std::get<1>(param.param));
                         });

TEST_P(KvLayoutTest, HoldsWhatIsStoredWithinHalfAStep) {
  const uint32_t dim = layout_.head_dim;
  std::vector<std::byte> block(layout_.bytes, std::byte{0});
  std::mt19937 random(dim);
  std::normal_distribution<float> normal(0.5f, 2.0f);
  std::vector<std::vector<float>> keys(kKvBlock), values(kKvBlock);
  // In an order in which no position follows its neighbour.
  for (uint32_t n = 0; n < kKvBlock; ++n) {
    const uint32_t p = n * 37 % kKvBlock;
    for (uint32_t i = 0; i < dim; ++i) {
      keys[p].push_back(normal(random));
      values[p].push_back(normal(random));
    }
    layout_.store(block.data(), p, keys[p].data(), values[p].data());
  }
  const BlockReader reader(layout_, block.data());
  for (uint32_t p = 0; p < kKvBlock; ++p) {
    const StoredToken token = reader.read(p);
    // Scales and minima are rounded to halves: 2^-11 of values up to 16 steps, or of what is stored.
    const auto near = [&](double stored, double step, float x) {
      const double rounding = layout_.type == KvType::f32 ? 0.0 : (std::abs(x) + 16 * step) * 0x1p-11;
      EXPECT_LE(std::abs(stored - x), step * 0.5 + rounding) << "position " << p;
    };
    for (uint32_t i = 0; i < dim; ++i) {
      near(token.key[i], token.key_step[i], keys[p][i]);
      near(token.value[i], token.value_step[i], values[p][i]);
    }
  }
}

TEST_P(KvLayoutTest, StepsAreNoLargerThanTheyMustBe) {
  if (!layout_.quantized()) return;
  std::vector<std::byte> block(layout_.bytes, std::byte{0});
  std::vector<float> key(layout_.head_dim), value(layout_.head_dim);
  for (size_t i = 0; i < key.size(); ++i) {
    key[i] = float(i % 32);
    value[i] = -float(i % 32);
  }
  layout_.store(block.data(), 17, key.data(), value.data());
  const StoredToken token = BlockReader(layout_, block.data()).read(17);
  const double largest = double(std::min<size_t>(key.size(), 32) - 1);
  const double steps = layout_.type == KvType::int8 ? 127 : 15;
  EXPECT_NEAR(token.key_step[0], largest / steps, largest / steps * 0x1p-10);
  EXPECT_NEAR(token.value_step[0], largest / steps, largest / steps * 0x1p-10);
}

TEST_P(KvLayoutTest, WritesOnlyItsPosition) {
  std::vector<std::byte> block(layout_.bytes, std::byte{0});
  const std::vector<float> ones(layout_.head_dim, 1.0f), others(layout_.head_dim, -3.0f);
  for (uint32_t p = 0; p < kKvBlock; ++p) layout_.store(block.data(), p, ones.data(), ones.data());
  const StoredToken before = BlockReader(layout_, block.data()).read(8);
  layout_.store(block.data(), 9, others.data(), others.data());
  for (const uint32_t p : {0u, 8u, 10u, 12u, 13u, 25u, 63u}) {
    const StoredToken after = BlockReader(layout_, block.data()).read(p);
    EXPECT_EQ(after.key, before.key) << p;
    EXPECT_EQ(after.value, before.value) << p;
  }
}

TEST_P(KvLayoutTest, RotationKeepsProducts) {
  const uint32_t dim = layout_.head_dim;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> x(3 * dim), y(3 * dim);
  for (float& v : x) v = normal(random);
  layout_.rotate(x.data(), 0.5f, y.data(), 3);
  for (uint32_t head = 0; head < 3; ++head) {
    const std::vector<double> expected = rotated({&x[head * dim], &x[head * dim] + dim});
    for (uint32_t i = 0; i < dim; ++i) EXPECT_NEAR(y[head * dim + i], 0.5 * expected[i], 1e-5);
  }
}

TEST_P(KvLayoutTest, WhatIsNoNumberStaysNone) {
  if (!layout_.quantized()) return;
  std::vector<std::byte> block(layout_.bytes, std::byte{0});
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    std::vector<float> x(layout_.head_dim, 1.0f);
    x[3] = odd;
    layout_.store(block.data(), 5, x.data(), x.data());
    const StoredToken token = BlockReader(layout_, block.data()).read(5);
    EXPECT_FALSE(std::isfinite(token.key[3]));
    EXPECT_FALSE(std::isfinite(token.value[3]));
  }
}

TEST(KvTypeTest, NamesAreThoseOfOtherPrograms) {
  EXPECT_EQ(kv_type_from_name("q8_0"), KvType::int8);
  EXPECT_EQ(kv_type_from_name("int8"), KvType::int8);
  EXPECT_EQ(kv_type_from_name("q4_0"), KvType::int4);
  EXPECT_EQ(kv_type_from_name("int4"), KvType::int4);
  EXPECT_EQ(kv_type_from_name("q5_0"), std::nullopt);
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8, KvType::int4, KvType::int8_unrotated,
                            KvType::int4_unrotated}) {
    EXPECT_EQ(kv_type_from_name(kv_type_name(type)), type);
  }
}

TEST(KvTypeTest, UnrotatedTypesLieAlikeAndLeaveKeysAsTheyAre) {
  for (const auto& [type, other] :
       {std::pair{KvType::int8_unrotated, KvType::int8}, std::pair{KvType::int4_unrotated, KvType::int4}}) {
    const KvLayout layout(type, 20);
    EXPECT_EQ(layout.type, other);
    EXPECT_EQ(layout.bytes, KvLayout(other, 20).bytes);
    std::vector<float> x(2 * 20), y(x.size());
    for (size_t i = 0; i < x.size(); ++i) x[i] = float(i);
    layout.rotate(x.data(), 0.5f, y.data(), 2);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], 0.5f * x[i]);
  }
}

TEST(KvTypeTest, BitsPerElement) {
  const auto bits = [](KvType type, uint32_t dim) {
    return 8.0 * double(KvLayout(type, dim).bytes) / (kKvBlock * 2 * dim);
  };
  EXPECT_EQ(bits(KvType::f32, 128), 32);
  EXPECT_EQ(bits(KvType::f16, 128), 16);
  EXPECT_EQ(bits(KvType::int8, 128), 8 + (16.0 / 32 + 16.0 / 128) / 2);
  EXPECT_EQ(bits(KvType::int4, 128), 4 + 32.0 / 32);
}

}  // namespace
}  // namespace nibble
