#include "base/utf8.h"

#include <gtest/gtest.h>

namespace nibble {
namespace {

TEST(Utf8, EveryCodePointSurvivesARoundTrip) {
  for (char32_t value = 0; value <= 0x10ffff; ++value) {
    if (value >= 0xd800 && value <= 0xdfff) continue;
    std::string text;
    append_utf8(text, value);
    const CodePoint point = decode_utf8(text);
    ASSERT_EQ(point.value, value);
    ASSERT_EQ(size_t(point.length), text.size());
    for (size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_EQ(complete_utf8_prefix("a" + text.substr(0, cut)), 1u);
    }
    ASSERT_EQ(complete_utf8_prefix("a" + text), 1 + text.size());
  }
}

TEST(Utf8, RefusesWhatTheStandardRefuses) {
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82"}) {
    EXPECT_EQ(decode_utf8(bad).length, 0) << bad;
    EXPECT_EQ(find_invalid_utf8(std::string("ok ") + bad), 3u);
  }
  EXPECT_EQ(find_invalid_utf8("gr\xc3\xbc\xc3\x9f"), 6u);
}

TEST(Utf8, BytesThatNeverBecomeACharacterDoNotHoldTheStreamBack) {
  EXPECT_EQ(complete_utf8_prefix("a\xff"), 2u);
  EXPECT_EQ(complete_utf8_prefix("a\x80\x80"), 3u);
  EXPECT_EQ(complete_utf8_prefix("a\xe2("), 3u);
}

}  // namespace
}  // namespace nibble
