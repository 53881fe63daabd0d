#include "sampling/beam_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "base/testing.h"
#include "sampling/processors.h"

namespace nibble {
namespace {

using nlohmann::json;

/// The table of tests/reference/beam_search.py as a model.
class TableModel {
 public:
  explicit TableModel(const json& logits) {
    SamplingParams greedy;
    greedy.greedy = true;
    for (const json& row : logits) {
      rows_.push_back(row.get<std::vector<float>>());
      to_log_probabilities(greedy, rows_.back(), {});
    }
  }
  size_t vocab() const { return rows_.front().size(); }
  const std::vector<float>& row(const std::vector<int32_t>& tokens) const {
    const size_t n = tokens.size();
    const size_t last = n > 0 ? size_t(tokens[n - 1]) + 1 : 0, before = n > 1 ? size_t(tokens[n - 2]) + 1 : 0;
    return rows_[(last * 7 + before * 3 + n) % rows_.size()];
  }

 private:
  std::vector<std::vector<float>> rows_;
};

void run(BeamSearch& search, const TableModel& model, const std::vector<int32_t>& ends, int steps = 1000) {
  const auto is_end = [&](const Beam&, int32_t token) { return std::ranges::count(ends, token) > 0; };
  for (int i = 0; i < steps && !search.done(); ++i) {
    std::vector<float> rows;
    for (const Beam& beam : search.beams()) {
      const auto& row = model.row(beam.tokens);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    search.advance(rows, model.vocab(), is_end);
  }
}

BeamParams beam_params_from(const json& values) {
  const std::map<std::string, EarlyStopping> stopping = {
      {"off", EarlyStopping::off}, {"on", EarlyStopping::on}, {"never", EarlyStopping::never}};
  BeamParams p;
  p.num_beams = values.value("num_beams", p.num_beams);
  p.num_beam_groups = values.value("num_beam_groups", p.num_beam_groups);
  p.diversity_penalty = values.value("diversity_penalty", p.diversity_penalty);
  p.length_penalty = values.value("length_penalty", p.length_penalty);
  p.early_stopping = stopping.at(values.value("early_stopping", "off"));
  p.num_return_sequences = values.value("num_return_sequences", p.num_return_sequences);
  return p;
}

json golden() {
  std::ifstream file(std::string(NIBBLE_SOURCE_DIR) + "/tests/golden/beam_search.json");
  return json::parse(file);
}

// tests/reference/beam_search.py wrote the file; tests/test_sampling.py checks that it still would.
TEST(BeamSearch, EqualsTheReference) {
  const json file = golden();
  ASSERT_GT(file["cases"].size(), 100u);
  for (const json& test_case : file["cases"]) {
    SCOPED_TRACE(test_case["table"].get<std::string>() + " " + test_case["params"].dump());
    const TableModel model(file["tables"][test_case["table"].get<std::string>()]);
    const auto ends = test_case["ends"].get<std::vector<int32_t>>();
    BeamSearch search(beam_params_from(test_case["params"]), test_case["max_new_tokens"], ends.size());
    run(search, model, ends);
    const auto answers = search.answers();
    ASSERT_EQ(answers.size(), test_case["answers"].size());
    for (size_t i = 0; i < answers.size(); ++i) {
      const json& wanted = test_case["answers"][i];
      ASSERT_EQ(answers[i].tokens, wanted["tokens"].get<std::vector<int32_t>>());
      EXPECT_EQ(answers[i].ended, wanted["ended"].get<bool>());
      // A sum of at most 14 logarithms, each rounded to float32.
      const double score = wanted["score"];
      EXPECT_NEAR(answers[i].score, score, 2e-6 * std::max(1.0, std::abs(score)));
    }
  }
}

TEST(BeamSearch, ParentsAreWhereBeamsCameFrom) {
  const TableModel model(golden()["tables"]["2"]);
  BeamParams params;
  params.num_beams = 6;
  params.num_beam_groups = 2;
  params.diversity_penalty = 0.5f;
  BeamSearch search(params, 8, 0);
  std::vector<Beam> before(search.beams().begin(), search.beams().end());
  for (int step = 0; step < 7; ++step) {
    run(search, model, {}, 1);
    ASSERT_EQ(search.beams().size(), 6u);
    for (const Beam& beam : search.beams()) {
      ASSERT_EQ(beam.rows.size(), beam.tokens.size());
      auto prefix = beam.tokens;
      prefix.pop_back();
      EXPECT_EQ(prefix, before[beam.parent()].tokens);
    }
    before.assign(search.beams().begin(), search.beams().end());
  }
}

TEST(BeamSearch, FewAllowedTokensGiveFewBeams) {
  BeamParams params;
  params.num_beams = params.num_return_sequences = 3;
  BeamSearch search(params, 10, 1);
  const float never = -std::numeric_limits<float>::infinity();
  const auto ends = [](const Beam&, int32_t token) { return token == 4; };
  search.advance(std::vector<float>{never, -0.5f, never, -0.9f, never}, 5, ends);
  ASSERT_EQ(search.beams().size(), 2u);
  search.advance(std::vector<float>{never, never, never, never, 0, never, never, never, never, 0}, 5, ends);
  EXPECT_TRUE(search.done());
  const auto answers = search.answers();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].tokens, (std::vector<int32_t>{1, 4}));
  EXPECT_FLOAT_EQ(float(answers[0].score), -0.25f);
}

TEST(BeamSearch, AnswersMayBeTakenBeforeTheEnd) {
  const TableModel model(golden()["tables"]["2"]);
  BeamParams params;
  params.num_beams = 4;
  params.num_return_sequences = 2;
  BeamSearch search(params, 10, 0);
  EXPECT_TRUE(search.answers().empty());
  run(search, model, {}, 3);
  ASSERT_EQ(search.answers().size(), 2u);
  EXPECT_EQ(search.answers()[0].tokens, search.beams()[0].tokens);
  EXPECT_FALSE(search.answers()[0].ended);
}

/// One beam of many: the first one is drawn with the probabilities of the tokens.
TEST(BeamSearch, SamplesByProbability) {
  BeamParams params;
  params.num_beams = 2;
  const std::vector<float> row = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
  std::map<int32_t, int> absent;
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    // Two of the four are drawn and kept; a search keeps four continuations, so ends take the others.
    BeamSearch search(params, 5, 0, seed);
    std::vector<float> rows = row;
    for (int i = 0; i < 4; ++i) rows.push_back(-20);
    search.advance(rows, rows.size(), [](const Beam&, int32_t) { return false; });
    for (int32_t token = 0; token < 4; ++token) {
      absent[token] +=
          std::ranges::none_of(search.beams(), [&](const Beam& b) { return b.tokens[0] == token; });
    }
  }
  // All four are drawn, and of these the two best go on.
  EXPECT_LT(absent[0], 10);
  EXPECT_LT(absent[1], 10);
  EXPECT_GT(absent[3], 3900);
}

std::string error_of(const BeamParams& params, bool greedy) {
  SamplingParams sampling;
  sampling.greedy = greedy;
  return testing::error_of([&] { params.check(sampling); });
}

TEST(BeamParams, ContradictionsAreNamed) {
  EXPECT_EQ(error_of({}, false), "no error");
  EXPECT_EQ(error_of({.num_beams = 4, .num_return_sequences = 4}, true), "no error");
  EXPECT_EQ(error_of({.num_beams = 4}, false), "no error");
  EXPECT_EQ(error_of({.num_beams = 4, .num_beam_groups = 2, .diversity_penalty = 1}, true), "no error");
  const std::vector<std::tuple<BeamParams, bool, std::vector<std::string>>> wrong = {
      {{.num_beams = 0}, true, {"num_beams is 0"}},
      {{.num_beams = 5, .num_beam_groups = 2, .diversity_penalty = 1},
       true,
       {"num_beams 5", "num_beam_groups 2"}},
      {{.num_beams = 4, .diversity_penalty = 1}, true, {"diversity_penalty", "num_beam_groups"}},
      {{.num_beams = 4, .num_beam_groups = 2}, true, {"diversity_penalty is 0"}},
      {{.num_beams = 4, .num_beam_groups = 2, .diversity_penalty = 1}, false, {"num_beam_groups", "random"}},
      {{.diversity_penalty = 1}, true, {"diversity_penalty", "num_beams"}},
      {{.num_beam_groups = 2}, true, {"num_beam_groups", "num_beams"}},
      {{.length_penalty = 2}, true, {"length_penalty"}},
      {{.early_stopping = EarlyStopping::never}, true, {"early_stopping is never"}},
      {{.num_beams = 4, .diversity_penalty = -1}, true, {"diversity_penalty is -1"}},
      {{.num_beams = 2, .num_return_sequences = 3}, true, {"num_return_sequences is 3", "num_beams 2"}},
  };
  for (const auto& [params, greedy, words] : wrong) {
    for (const std::string& word : words) {
      EXPECT_NE(error_of(params, greedy).find(word), std::string::npos)
          << word << ": " << error_of(params, greedy);
    }
  }
}

}  // namespace
}  // namespace nibble
