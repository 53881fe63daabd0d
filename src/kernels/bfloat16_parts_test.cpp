#include "kernels/bfloat16_parts.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace nibble {
namespace {

float part(const std::vector<uint16_t>& parts, size_t col, size_t index) {
  const size_t at = (col / kPartColumns * kBfloat16Parts + index) * kPartColumns + col % kPartColumns;
  return std::bit_cast<float>(uint32_t(parts[at]) << 16);
}

std::vector<uint16_t> split(const std::vector<float>& x) {
  std::vector<uint16_t> parts(part_elements(x.size()), 99);
  split_into_bfloat16(x.data(), x.size(), parts.data());
  return parts;
}

TEST(Bfloat16Parts, AddUpExactly) {
  std::vector<float> x = {
      0.0f, -0.0f, 1.0f, -1.0f / 3.0f, 0x1.fffffep127f, -0x1.fffffep127f, 0x1.000002p-100f};
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  while (x.size() < 70) x.push_back(std::ldexp(normal(random), int(random() % 200) - 100));
  const auto parts = split(x);
  EXPECT_EQ(parts.size(), 3u * 96u);
  for (size_t i = 0; i < x.size(); ++i) {
    // Each sum is exact: the parts' bits follow one another.
    EXPECT_EQ(part(parts, i, 0) + (part(parts, i, 1) + part(parts, i, 2)), x[i]) << i;
    EXPECT_LE(std::fabs(part(parts, i, 1)), std::fabs(x[i]) * 0x1p-7f);
    EXPECT_LE(std::fabs(part(parts, i, 2)), std::fabs(x[i]) * 0x1p-15f);
  }
  for (size_t i = x.size(); i < 96; ++i) {
    for (size_t p = 0; p < 3; ++p) EXPECT_EQ(part(parts, i, p), 0.0f) << "padding " << i;
  }
}

TEST(Bfloat16Parts, KeepWhatIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto parts = split({infinity, -infinity, std::numeric_limits<float>::quiet_NaN()});
  EXPECT_EQ(part(parts, 0, 0), infinity);
  EXPECT_EQ(part(parts, 1, 0), -infinity);
  EXPECT_TRUE(std::isnan(part(parts, 2, 0)));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(part(parts, i, 1), 0.0f);
    EXPECT_EQ(part(parts, i, 2), 0.0f);
  }
}

}  // namespace
}  // namespace nibble
