#include "sampling/lookup_draft.h"

#include <gtest/gtest.h>

#include <vector>

namespace nibble {
namespace {

std::vector<int32_t> draft(const std::vector<int32_t>& history, size_t most, size_t least = 2,
                           size_t longest = 8) {
  const auto found = lookup_draft(history, most, least, longest).tokens;
  return {found.begin(), found.end()};
}

using Tokens = std::vector<int32_t>;

TEST(LookupDraft, GivesWhatFollowedTheLastTokens) {
  EXPECT_EQ(draft({1, 2, 3, 4, 5, 1, 2}, 2), (Tokens{3, 4}));
  EXPECT_EQ(draft({1, 2, 3, 4, 5, 1, 2}, 9), (Tokens{3, 4, 5, 1, 2}));
}

TEST(LookupDraft, PrefersTheLongestMatchAndThenTheLatest) {
  EXPECT_EQ(draft({7, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2}, 1), Tokens{3});
  EXPECT_EQ(draft({1, 2, 3, 9, 1, 2, 4, 8, 1, 2}, 1), Tokens{4});
  EXPECT_EQ(draft({7, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2}, 1, 2, 2), Tokens{4});
}

TEST(LookupDraft, TellsTheLengthOfTheMatch) {
  EXPECT_EQ(lookup_draft(Tokens{7, 1, 2, 3, 9, 7, 1, 2}, 1).match, 3u);
  EXPECT_EQ(lookup_draft(Tokens{7, 1, 2, 3, 9, 7, 1, 2}, 1, 2, 2).match, 2u);
  EXPECT_EQ(lookup_draft(Tokens{1, 2, 3}, 1).match, 0u);
}

TEST(LookupDraft, MayOverlapWithTheEnd) {
  EXPECT_EQ(draft({5, 5, 5, 5}, 3), Tokens{5});
}

TEST(LookupDraft, GivesNothingWithoutAMatch) {
  EXPECT_TRUE(draft({1, 2, 3, 4}, 3).empty());
  EXPECT_TRUE(draft({2, 9, 1, 2}, 3).empty());
  EXPECT_EQ(draft({2, 9, 1, 2}, 3, 1), (Tokens{9, 1, 2}));
  EXPECT_TRUE(draft({}, 3).empty());
  EXPECT_TRUE(draft({1}, 3, 1).empty());
}

}  // namespace
}  // namespace nibble
