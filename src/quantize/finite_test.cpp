#include "quantize/finite.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/half.h"

namespace nibble {
namespace {

TEST(AllFinite, FindsOneBadValueAnywhere) {
  std::vector<float> x(9001, 1.5f);
  x[0] = -std::numeric_limits<float>::max();
  x[1] = std::numeric_limits<float>::denorm_min();
  EXPECT_TRUE(all_finite(x.data(), x.size()));
  EXPECT_TRUE(all_finite(x.data(), 0));
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    for (const size_t at : {size_t{0}, size_t{4095}, size_t{4096}, x.size() - 1}) {
      std::vector<float> y = x;
      y[at] = bad;
      EXPECT_FALSE(all_finite(y.data(), y.size())) << at;
    }
  }
}

TEST(ExpandFinite, GivesEveryHalfAndBfloat16) {
  std::vector<uint16_t> bits(65536 + 3);
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = uint16_t(i);
  const auto* bytes = reinterpret_cast<const std::byte*>(bits.data());
  std::vector<float> f16(bits.size()), bf16(bits.size());
  EXPECT_FALSE(expand_finite(DType::F16, bytes, f16.data(), bits.size()));
  EXPECT_FALSE(expand_finite(DType::BF16, bytes, bf16.data(), bits.size()));
  for (size_t i = 0; i < bits.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(f16[i]), std::bit_cast<uint32_t>(half_to_float(bits[i]))) << bits[i];
    ASSERT_EQ(std::bit_cast<uint32_t>(bf16[i]), std::bit_cast<uint32_t>(bfloat16_to_float(bits[i])))
        << bits[i];
  }
  EXPECT_TRUE(expand_finite(DType::F16, bytes, f16.data(), 0x7c00));
  EXPECT_FALSE(expand_finite(DType::F16, bytes, f16.data(), 0x7c01));
}

TEST(ExpandFinite, RefusesQuantizedTypes) {
  float out[32];
  std::byte in[64] = {};
  EXPECT_THROW(expand_finite(DType::Q8_0, in, out, 32), Error);
}

}  // namespace
}  // namespace nibble
