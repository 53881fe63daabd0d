#include "engine/stop_strings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace nibble {
namespace {

TEST(StopStrings, HoldsBackWhatMayBecomeOne) {
  StopStrings stops({"STOP"});
  EXPECT_EQ(stops.add("abS"), "ab");
  EXPECT_EQ(stops.add("T"), "");
  EXPECT_EQ(stops.add("x"), "STx");
  EXPECT_EQ(stops.add("SSTOP and more"), "S");
  EXPECT_TRUE(stops.found());
  EXPECT_EQ(stops.add("more"), "");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, GivesTheRestAtTheEnd) {
  StopStrings stops({"\n\n", ""});
  EXPECT_EQ(stops.add("line\n"), "line");
  EXPECT_EQ(stops.finish(), "\n");
  EXPECT_FALSE(stops.found());
}

TEST(StopStrings, TheFirstInTheTextWins) {
  StopStrings stops({"later", "ly"});
  EXPECT_EQ(stops.add("finally later"), "final");
  EXPECT_TRUE(stops.found());
}

TEST(StopStrings, ACompleteOneEndsTheTextThoughALongerOneCouldBegin) {
  StopStrings stops({"abcd", "bc"});
  EXPECT_EQ(stops.add("xabc"), "xa");
  EXPECT_TRUE(stops.found());
}

TEST(StopStrings, WithoutAnyNothingIsHeld) {
  StopStrings stops({});
  EXPECT_EQ(stops.add("text"), "text");
}

// Whatever the pieces, the output is what one search over the whole text gives.
TEST(StopStrings, PiecesDoNotMatter) {
  std::mt19937 random(5);
  auto letters = [&](size_t length) {
    std::string text;
    for (size_t i = 0; i < length; ++i) text += char('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    const std::string text = letters(12), stop = letters(1 + random() % 5);
    StopStrings stops({stop});
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t length = std::min<size_t>(1 + random() % 4, text.size() - at);
      out += stops.add(text.substr(at, length));
      at += length;
    }
    out += stops.finish();
    ASSERT_EQ(out, text.substr(0, text.find(stop))) << text << " / " << stop;
  }
}

}  // namespace
}  // namespace nibble
