#include "base/byte_size.h"

#include <gtest/gtest.h>

namespace nibble {
namespace {

TEST(ByteSize, TakesDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_byte_size("4GB"), 4'000'000'000u);
  EXPECT_EQ(parse_byte_size("3.5GiB"), 3'758'096'384u);
  EXPECT_EQ(parse_byte_size("27.5mb"), 27'500'000u);
  EXPECT_EQ(parse_byte_size("1 KiB"), 1024u);
  EXPECT_EQ(parse_byte_size("12345"), 12345u);
}

TEST(ByteSize, TakesNothingElse) {
  for (const char* text :
       {"", "-5", "-5GB", "0", "0.2", "4XB", "GB", "nan", "inf", "1e999", "1e300TB", "4GB4"}) {
    EXPECT_EQ(parse_byte_size(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace nibble
