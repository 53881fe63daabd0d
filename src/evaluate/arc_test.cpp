#include "evaluate/arc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace nibble {
namespace {

ArcQuestion question(std::vector<std::string> choices, size_t gold = 0, const std::string& set = "s") {
  ArcQuestion q{set, "id", "stem", {}, gold};
  for (size_t i = 0; i < choices.size(); ++i)
    q.choices.push_back({std::string(1, char('A' + i)), choices[i]});
  return q;
}

TEST(Arc, TakesTheLargestSumAndTheLargestPerCharacter) {
  const ArcAnswer answer =
      arc_answer(question({"ab", "a long choice", "x"}), {-4, -13, -3.5}, ArcStyle::continuation);
  EXPECT_EQ(answer.pred, 2u);
  EXPECT_EQ(answer.pred_norm, 1u);  // -2, -1, -3.5 per character
  EXPECT_EQ(arc_answer(question({"ab", "a long choice", "x"}), {-4, -13, -3.5}, ArcStyle::letter).pred_norm,
            2u);
}

TEST(Arc, CountsCodePointsNotBytes) {
  // Two characters of five bytes: -2 a character against -1.9.
  EXPECT_EQ(
      arc_answer(question({"\xc3\xa9\xe2\x82\xac", "abcd", "e"}), {-4, -7.6, -9}, ArcStyle::continuation)
          .pred_norm,
      1u);
}

TEST(Arc, FirstWinsTies) {
  const ArcAnswer answer = arc_answer(question({"aa", "bb", "cc"}), {-2, -2, -2}, ArcStyle::continuation);
  EXPECT_EQ(answer.pred, 0u);
  EXPECT_EQ(answer.pred_norm, 0u);
}

TEST(Arc, TotalsBySetAndTogether) {
  const std::vector<ArcQuestion> questions = {question({"a", "b", "c"}, 0, "easy"),
                                              question({"a", "b", "c"}, 1, "easy"),
                                              question({"a", "b", "c"}, 2, "hard")};
  const ArcResult result = arc_totals(questions, {{{}, 0, 1}, {{}, 0, 1}, {{}, 2, 2}});
  EXPECT_EQ(result.all.n, 3u);
  EXPECT_EQ(result.all.correct, 2u);
  EXPECT_EQ(result.all.correct_norm, 2u);
  ASSERT_EQ(result.sets.size(), 2u);
  EXPECT_EQ(result.sets[0].set, "easy");
  EXPECT_EQ(result.sets[0].n, 2u);
  EXPECT_EQ(result.sets[0].correct, 1u);
  EXPECT_EQ(result.sets[1].correct, 1u);
  // sqrt(p (1 - p) / (n - 1)) with p = 2/3
  EXPECT_NEAR(result.all.acc().standard_error, 1.0 / 3.0, 1e-12);
}

TEST(Arc, KnowsItsStyles) {
  EXPECT_EQ(arc_style_from_name("letter"), ArcStyle::letter);
  EXPECT_EQ(arc_style_from_name(arc_style_name(ArcStyle::continuation)), ArcStyle::continuation);
  EXPECT_THROW(arc_style_from_name("poem"), UsageError);
}

}  // namespace
}  // namespace nibble
