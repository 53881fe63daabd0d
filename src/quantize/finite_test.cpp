#include "quantize/finite.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

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

}  // namespace
}  // namespace nibble
