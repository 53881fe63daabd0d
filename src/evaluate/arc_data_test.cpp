#include "evaluate/arc_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/testing.h"
#include "evaluate/bundled_questions.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string line(const std::string& id, const std::string& key = "B", const std::string& more = "") {
  return R"({"id": ")" + id + R"(", "question": {"stem": "What is hot?", "choices": [)" +
         R"({"text": "ice", "label": "A"}, {"text": "fire", "label": "B"}, {"text": "snow", "label": "C"})" +
         more + R"(]}, "answerKey": ")" + key + "\"}\n";
}

std::string error_of(const std::string& text) {
  return testing::error_of([&] { parse_arc(text, "questions.jsonl", "set"); });
}

TEST(ArcData, ReadsQuestions) {
  const auto questions = parse_arc(line("q1") + "\n  \r\n" + line("q2", "C"), "f", "ARC-Easy");
  ASSERT_EQ(questions.size(), 2u);
  EXPECT_EQ(questions[0].id, "q1");
  EXPECT_EQ(questions[0].set, "ARC-Easy");
  EXPECT_EQ(questions[0].stem, "What is hot?");
  EXPECT_EQ(questions[0].choices[1].text, "fire");
  EXPECT_EQ(questions[0].gold, 1u);
  EXPECT_EQ(questions[1].gold, 2u);
}

TEST(ArcData, ReadsDigitLabelsAndCarriageReturns) {
  std::string text = line("q1", "4", R"(, {"text": "rain", "label": "4"})");
  text.insert(text.size() - 1, "\r");
  EXPECT_EQ(parse_arc(text, "f", "s")[0].gold, 3u);
}

TEST(ArcData, NamesFileAndLineOfWhatIsWrong) {
  EXPECT_EQ(error_of(line("q1") + "{\"id\": \n"),
            "questions.jsonl:2: not valid JSON; each line is one question");
  EXPECT_THAT(error_of("[1]\n"), HasSubstr("questions.jsonl:1: the line has no \"question\""));
  EXPECT_THAT(error_of("\"\xff\"\n"), HasSubstr("questions.jsonl:1: not valid JSON"));
  EXPECT_THAT(error_of(line("q1", "D")), HasSubstr("answerKey \"D\" is not the label of a choice"));
  EXPECT_THAT(error_of(line("")), HasSubstr("\"id\" of the line must be text that is not empty"));
  EXPECT_THAT(error_of(line("q", "B", R"(, {"text": "", "label": "D"})")), HasSubstr("\"text\" of a choice"));
  EXPECT_THAT(error_of(line("q", "B", R"(, {"text": 7, "label": "D"})")), HasSubstr("\"text\" of a choice"));
  EXPECT_THAT(error_of(line("q", "B", R"(, {"text": "x", "label": "A"})")),
              HasSubstr("label \"A\" stands twice"));
  EXPECT_THAT(error_of(line("q", "B", R"(, {"text": "x", "label": "**"})")), HasSubstr("neither a letter"));
  const std::string two = R"(, {"text": "x", "label": "D"}, {"text": "x", "label": "E"})";
  EXPECT_EQ(parse_arc(line("q", "B", two), "f", "s")[0].choices.size(), 5u);
  EXPECT_THAT(error_of(line("q", "B", two + R"(, {"text": "x", "label": "F"})")),
              HasSubstr("3 to 5 choices"));
  EXPECT_THAT(error_of("\n\n"), HasSubstr("no questions"));
  EXPECT_THROW(load_arc("/nonexistent/arc.jsonl"), Error);
}

class ArcFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "arc");
    if (const char* value = std::getenv("NIBBLE_DATA")) before_ = value;
  }
  void TearDown() override {
    fs::remove_all(folder_);
    if (before_) {
      setenv("NIBBLE_DATA", before_->c_str(), 1);
    } else {
      unsetenv("NIBBLE_DATA");
    }
  }
  fs::path folder_ = fs::temp_directory_path() / ("nibble-arc-" + std::to_string(::getpid()));
  std::optional<std::string> before_;
};

TEST_F(ArcFolder, FindsTheSetsInTheFolderOrTheBundledQuestions) {
  EXPECT_THROW(load_arc(folder_), Error);
  setenv("NIBBLE_DATA", folder_.c_str(), 1);
  const ArcData bundled = find_arc(std::nullopt);
  EXPECT_GE(bundled.questions.size(), 100u);
  EXPECT_EQ(bundled.questions[0].set, "science");
  EXPECT_THAT(bundled.source, HasSubstr("come with nibble"));

  write_file(folder_ / "arc" / "ARC-Easy-Test.jsonl", line("e1") + line("e2"));
  write_file(folder_ / "arc" / "ARC-Challenge-Test.jsonl", line("c1"));
  for (const ArcData& data : {find_arc(std::nullopt), load_arc(folder_), load_arc(folder_ / "arc")}) {
    ASSERT_EQ(data.questions.size(), 3u);
    EXPECT_EQ(data.questions[1].set, "ARC-Easy");
    EXPECT_EQ(data.questions[2].set, "ARC-Challenge");
    EXPECT_THAT(data.source, HasSubstr(folder_.string()));
  }
  EXPECT_EQ(load_arc(folder_ / "arc" / "ARC-Easy-Test.jsonl").questions.size(), 2u);
}

TEST_F(ArcFolder, BundledQuestionsAreTheFile) {
  EXPECT_EQ(std::string(bundled_questions()),
            read_file(fs::path(NIBBLE_SOURCE_DIR) / "data/questions/science.jsonl"));
}

std::vector<ArcQuestion> many(size_t easy, size_t challenge) {
  std::vector<ArcQuestion> questions;
  for (size_t i = 0; i < easy + challenge; ++i) {
    questions.push_back({i < easy ? "ARC-Easy" : "ARC-Challenge", "id" + std::to_string(i), "?", {}, 0});
  }
  return questions;
}

std::set<std::string> ids(const std::vector<ArcQuestion>& questions) {
  std::set<std::string> result;
  for (const auto& q : questions) result.insert(q.id);
  return result;
}

TEST(ArcSample, IsProportionalSeededAndStable) {
  const auto questions = many(2376, 1170);
  const auto sample = sample_arc(questions, 100, 0);
  ASSERT_EQ(sample.size(), 100u);
  EXPECT_EQ(std::count_if(sample.begin(), sample.end(), [](auto& q) { return q.set == "ARC-Easy"; }), 67);
  EXPECT_EQ(ids(sample), ids(sample_arc(questions, 100, 0)));
  EXPECT_NE(ids(sample), ids(sample_arc(questions, 100, 1)));
  EXPECT_EQ(sample_arc(questions, 0, 0).size(), 3546u);
  EXPECT_EQ(sample_arc(questions, 4000, 0).size(), 3546u);

  // The order of the file does not matter to what is drawn, and a larger sample holds the smaller one.
  auto reversed = questions;
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(ids(sample), ids(sample_arc(reversed, 100, 0)));
  const auto larger = ids(sample_arc(questions, 200, 0));
  for (const auto& id : ids(sample)) EXPECT_TRUE(larger.contains(id)) << id;
}

TEST(ArcSample, DrawsEvenly) {
  // A sample of half should take each tenth of the ids about equally: binomial sd is 7 of 200.
  const auto sample = sample_arc(many(2000, 0), 1000, 5);
  for (int tenth = 0; tenth < 10; ++tenth) {
    const auto in = std::count_if(sample.begin(), sample.end(),
                                  [&](auto& q) { return std::stoi(q.id.substr(2)) / 200 == tenth; });
    EXPECT_NEAR(double(in), 100, 35);
  }
}

TEST(ArcSample, Describes) {
  EXPECT_EQ(describe_sample(100, 3546, 0), "100 of 3,546 questions, seed 0");
  EXPECT_EQ(describe_sample(3546, 3546, 0), "all 3,546 questions");
  EXPECT_EQ(describe_sample(120, 120, 0), "all 120 questions");
}

}  // namespace
}  // namespace nibble
