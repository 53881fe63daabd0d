#include "evaluate/windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"

namespace nibble {
namespace {

using ::testing::ElementsAre;

std::vector<int32_t> text_of(size_t n) {
  std::vector<int32_t> ids(n);
  std::iota(ids.begin(), ids.end(), 100);
  return ids;
}

Vocabulary without_begin() {
  return {};
}

Vocabulary with_begin() {
  Vocabulary v;
  v.bos = 1;
  v.add_bos = true;
  return v;
}

TEST(Windows, ChunksAreScoredOverTheirSecondHalf) {
  const auto windows = make_windows(text_of(19), without_begin(), {.context = 8});
  ASSERT_EQ(windows.size(), 2u);  // 3 tokens are left over
  EXPECT_THAT(windows[1].tokens, ElementsAre(108, 109, 110, 111, 112, 113, 114, 115));
  // llama.cpp: the logits of positions 4..6 predict tokens 5..7, n_ctx - first - 1 = 3 of them.
  EXPECT_EQ(windows[1].first_target, 5u);
  EXPECT_EQ(make_windows(text_of(64), without_begin(), {.context = 8, .max_windows = 3}).size(), 3u);
}

TEST(Windows, TheBeginTokenReplacesTheFirstOnlyWhereTheVocabularyAddsIt) {
  EXPECT_EQ(make_windows(text_of(16), with_begin(), {.context = 8})[1].tokens[0], 1);
  EXPECT_EQ(make_windows(text_of(16), without_begin(), {.context = 8})[1].tokens[0], 108);
  Vocabulary not_added = with_begin();
  not_added.add_bos = false;
  EXPECT_EQ(make_windows(text_of(16), not_added, {.context = 8})[1].tokens[0], 108);
}

TEST(Windows, ShortTextsAreRefusedWithTheCounts) {
  try {
    make_windows(text_of(15), without_begin(), {.context = 8});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("15 tokens"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("at least 16"));
  }
  EXPECT_THROW(make_windows(text_of(1), without_begin(), {.context = 8, .stride = 4}), Error);
  EXPECT_THROW(make_windows(text_of(100), without_begin(), {.context = 8, .stride = 9}), UsageError);
  EXPECT_THROW(make_windows(text_of(100), without_begin(), {.context = 1}), Error);
}

TEST(Windows, StridedWindowsScoreEveryTokenOnce) {
  for (const uint32_t stride : {1u, 3u, 7u}) {
    std::vector<int> scored(30, 0);
    const auto windows = make_windows(text_of(30), without_begin(), {.context = 8, .stride = stride});
    for (const Window& w : windows) {
      EXPECT_LE(w.tokens.size(), 8u);
      EXPECT_GE(w.first_target, 1u);
      for (size_t t = w.first_target; t < w.tokens.size(); ++t) ++scored[size_t(w.tokens[t] - 100)];
    }
    EXPECT_EQ(scored[0], 0);
    for (size_t i = 1; i < scored.size(); ++i)
      EXPECT_EQ(scored[i], 1) << "token " << i << ", stride " << stride;
    // Every token but those of the first window has at least context - stride tokens before it.
    for (size_t i = 1; i < windows.size(); ++i) EXPECT_GE(windows[i].first_target, 8u - stride);
  }
}

}  // namespace
}  // namespace nibble
