#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace nibble {
namespace {

TEST(Half, EveryValueSurvivesARoundTrip) {
  for (uint32_t h = 0; h < 0x10000u; ++h) {
    const float f = half_to_float(half(h));
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(half_to_float(float_to_half(f))));
    } else {
      ASSERT_EQ(float_to_half(f), h) << f;
    }
  }
}

TEST(Half, RoundsToNearestEvenBetweenEveryPairOfNeighbours) {
  for (uint32_t h = 0; h < 0x7bffu; ++h) {
    const float low = half_to_float(half(h)), high = half_to_float(half(h + 1));
    const float middle = float((double(low) + double(high)) / 2);
    ASSERT_EQ(float_to_half(middle), (h & 1) ? h + 1 : h);
    ASSERT_EQ(float_to_half(std::nextafter(middle, low)), h);
    ASSERT_EQ(float_to_half(std::nextafter(middle, high)), h + 1);
  }
}

TEST(Half, KnownValues) {
  EXPECT_EQ(half_to_float(0x3c00), 1.0f);
  EXPECT_EQ(half_to_float(0xc000), -2.0f);
  EXPECT_EQ(half_to_float(0x7bff), 65504.0f);
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::infinity()), 0xfc00);
}

TEST(Bfloat16, RoundsToNearestEven) {
  EXPECT_EQ(float_to_bfloat16(1.0f), 0x3f80);
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0x3f808000u)), 0x3f80);
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(std::nanf("")))));
}

}  // namespace
}  // namespace nibble
