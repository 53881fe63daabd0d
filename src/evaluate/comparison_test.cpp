#include "evaluate/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluate/report_html.h"
#include "evaluate/report_table.h"

namespace nibble {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;
using ::testing::Not;

ordered_json score(double right, double n) {
  return {
      {"n", n}, {"acc", right / n}, {"acc_stderr", 0.05}, {"acc_norm", right / n}, {"acc_norm_stderr", 0.05}};
}

/// What a process reports of a model that answers the first `right` of 40 questions right.
ordered_json report(const std::string& path, uint64_t memory, double speed, int right) {
  ordered_json arc = score(right, 40);
  arc["sets"] = ordered_json::array({score(right, 40)});
  arc["sets"][0]["set"] = "ARC-Easy";
  for (int i = 0; i < 40; ++i) arc["questions"].push_back({{"gold", 2}, {"pred", i < right ? 2 : 0}});
  const auto speeds = [&](double s) {
    return ordered_json::array(
        {{{"tokens_per_s", s}, {"of_roof", 0.5}, {"runs", {s - 1, s, s + 1}}, {"cpu_percent", 197.4}}});
  };
  return {{"model", path},
          {"parameters", 134515008},
          {"file_bytes", memory / 2},
          {"bits_per_weight", 8.5},
          {"load_s", 0.25},
          {"peak_rss_bytes", memory},
          {"roof", {{"read_gb_s", 27.0}, {"int8_gops", 330.0}}},
          {"prefill", speeds(10 * speed)},
          {"decode", speeds(speed)},
          {"arc", arc}};
}

Comparison comparison_of(const std::vector<ordered_json>& reports) {
  Comparison comparison;
  comparison.run = {"1.2",
                    "2026-01-01",
                    "Some CPU",
                    "avx2",
                    "nibble compare a b",
                    "a note",
                    2,
                    2,
                    512,
                    64,
                    3,
                    0,
                    "40 of 80 questions, seed 0 of data",
                    "continuation"};
  for (const auto& r : reports) comparison.models.push_back(figures_from_json(r));
  complete_comparison(comparison);
  return comparison;
}

TEST(Comparison, ComparesPairByPairWithTheFirst) {
  const Comparison c = comparison_of({report("d/Smol-F32.gguf", 600'000'000, 30, 30),
                                      report("d/Smol-Q8_0.gguf", 200'000'000, 90, 28),
                                      report("d/Smol-Q2_K.gguf", 100'000'000, 120, 15)});
  EXPECT_EQ(c.family, "Smol");
  EXPECT_EQ(c.models[0].name, "F32");
  EXPECT_EQ(c.models[1].name, "Q8_0");
  EXPECT_FALSE(c.models[0].difference.has_value());
  EXPECT_EQ(c.models[1].difference->only_a, 2u);
  EXPECT_EQ(c.models[1].difference->p, 0.5);
  EXPECT_NEAR(c.models[1].difference->difference.mean, -0.05, 1e-12);
  EXPECT_NEAR(c.models[2].difference->p, 2.0 / 32768, 1e-12);

  const auto sentences = findings(c);
  ASSERT_EQ(sentences.size(), 3u);
  EXPECT_EQ(sentences[0],
            "Q8_0 is the smallest without a loss that these 40 questions can tell from chance.");
  EXPECT_THAT(sentences[1], HasSubstr("Q8_0 takes 33% of F32's memory (200 MB against 600 MB)"));
  EXPECT_THAT(sentences[1], HasSubstr("decodes 3.0 times as fast (90.0 against 30.0 tokens/s)"));
  EXPECT_THAT(sentences[1],
              HasSubstr("70.0% of the questions right against 75.0%, -5.0 ± 3.5 points (p 0.50)"));
  EXPECT_THAT(sentences[1], HasSubstr("within what chance explains"));
  EXPECT_THAT(sentences[2], HasSubstr("(p < 0.001): more than chance explains"));
}

TEST(Comparison, KeepsNamesThatNothingJoins) {
  const Comparison c = comparison_of({report("x/llama.gguf", 1, 1, 1), report("y/qwen/", 1, 1, 1)});
  EXPECT_EQ(c.family, "");
  EXPECT_EQ(c.models[0].name, "llama");
  EXPECT_EQ(c.models[1].name, "qwen");
  const Comparison same = comparison_of({report("x/m.gguf", 1, 1, 1), report("y/m.gguf", 1, 1, 1)});
  EXPECT_EQ(same.models[1].name, "y/m.gguf");
  EXPECT_EQ(comparison_of({report("a-b.gguf", 1, 1, 1)}).models[0].name, "a-b");
}

TEST(Comparison, AFailedModelKeepsItsRowAndItsReason) {
  const Comparison c = comparison_of(
      {report("m-a.gguf", 600'000'000, 30, 30), {{"model", "m-b.gguf"}, {"error", "out of memory"}}});
  const Table table = summary_table(c);
  EXPECT_EQ(table.rows[1][0], "b");
  EXPECT_EQ(table.rows[1][5], "—");
  EXPECT_THAT(failures(c), ::testing::ElementsAre("b has no figures: out of memory"));
  EXPECT_THAT(html_report(c), HasSubstr("out of memory"));
  const Comparison reversed = comparison_of(
      {{{"model", "m-b.gguf"}, {"error", "out of memory"}}, report("m-a.gguf", 600'000'000, 30, 30)});
  EXPECT_FALSE(reversed.models[1].difference.has_value());
  EXPECT_TRUE(findings(reversed).empty());
  EXPECT_THAT(terminal_report(reversed), HasSubstr("600 MB"));
}

TEST(Comparison, AModelWithoutTokenizerIsMeasuredButNotAsked) {
  ordered_json no_tokenizer = report("m-b.gguf", 300'000'000, 60, 0);
  no_tokenizer.erase("arc");
  no_tokenizer["arc_skipped"] = "there is no tokenizer in it";
  const Comparison c = comparison_of({report("m-a.gguf", 600'000'000, 30, 30), no_tokenizer});
  EXPECT_EQ(summary_table(c).rows[1][6], "—");
  EXPECT_THAT(failures(c)[0], HasSubstr("b was asked no questions: there is no tokenizer"));
  EXPECT_THAT(findings(c)[0], HasSubstr("50% of a's memory"));
}

TEST(Comparison, TablesAreAligned) {
  const Table table{{{"name", false}, {"± x"}}, {{"a", "1"}, {"bcd", "—"}}};
  EXPECT_EQ(terminal_table(table), "name  ± x\na       1\nbcd     —\n");
  EXPECT_EQ(markdown_table({{{"a", false}, {"b"}}, {{"x|y", "1"}}}),
            "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n");
}

TEST(Comparison, ReportsSayWhatWasRun) {
  const Comparison c =
      comparison_of({report("m-<a>.gguf", 600'000'000, 30, 30), report("m-b.gguf", 1, 1, 1)});
  for (const std::string& text : {terminal_report(c), markdown_report(c), html_report(c)}) {
    EXPECT_THAT(text, HasSubstr("40 of 80 questions, seed 0 of data"));
    EXPECT_THAT(text, HasSubstr("Some CPU"));
    EXPECT_THAT(text, HasSubstr("a note"));
  }
  EXPECT_THAT(html_report(c), HasSubstr("nibble compare a b"));
  EXPECT_THAT(html_report(c), Not(HasSubstr("<a>")));
  const ordered_json json = to_json(c);
  EXPECT_EQ(json["models"][1]["difference_from_first"]["only_first_right"], 29);
  EXPECT_EQ(json["findings"].size(), findings(c).size());
}

TEST(Comparison, ShortFigures) {
  EXPECT_EQ(short_count(134'515'008), "135 M");
  EXPECT_EQ(short_count(6'738'000'000), "6.74 B");
  EXPECT_EQ(short_bytes(71'400'000), "71.4 MB");
  EXPECT_EQ(short_bytes(4'110'000'000), "4.11 GB");
  EXPECT_EQ(short_p(0.0004), "< 0.001");
  EXPECT_EQ(short_p(0.0312), "0.031");
  EXPECT_EQ(short_p(0.5), "0.50");
}

}  // namespace
}  // namespace nibble
