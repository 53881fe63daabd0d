#include "sampling/processors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "base/error.h"

namespace nibble {
namespace {

using nlohmann::json;

SamplingParams params_from(const json& values) {
  SamplingParams params;
  for (const auto& [key, value] : values.items()) {
    if (key == "temperature")
      params.temperature = value;
    else if (key == "top_k")
      params.top_k = value;
    else if (key == "top_p")
      params.top_p = value;
    else if (key == "min_p")
      params.min_p = value;
    else if (key == "typical_p")
      params.typical_p = value;
    else if (key == "epsilon_cutoff")
      params.epsilon_cutoff = value;
    else if (key == "eta_cutoff")
      params.eta_cutoff = value;
    else if (key == "repetition_penalty")
      params.repetition_penalty = value;
    else if (key == "presence_penalty")
      params.presence_penalty = value;
    else if (key == "frequency_penalty")
      params.frequency_penalty = value;
    else if (key == "logit_bias")
      params.logit_bias = value.get<std::vector<std::pair<int32_t, float>>>();
    else
      ADD_FAILURE() << "unknown parameter in the golden file: " << key;
  }
  return params;
}

// tests/reference/sampling.py wrote the file; tests/test_sampling.py checks that it still would.
TEST(Processors, EqualTheReference) {
  std::ifstream file(std::string(NIBBLE_SOURCE_DIR) + "/tests/golden/sampling.json");
  ASSERT_TRUE(file) << "tests/golden/sampling.json is missing";
  const json golden = json::parse(file);
  ASSERT_GT(golden["cases"].size(), 150u);
  for (const json& test_case : golden["cases"]) {
    const std::string name = test_case["logits"].get<std::string>() + " " + test_case["params"].dump();
    SCOPED_TRACE(name);
    auto scores = golden["logits"][test_case["logits"]].get<std::vector<float>>();
    const auto history = test_case["history"].get<std::vector<int32_t>>();
    const Candidates candidates = process_scores(params_from(test_case["params"]), scores,
                                                 {history, test_case["prompt"].get<size_t>()});

    std::vector<int32_t> kept;
    for (const Candidate& c : candidates) kept.push_back(c.id);
    ASSERT_EQ(kept, test_case["kept"].get<std::vector<int32_t>>());
    std::vector<double> weights;
    const double sum = exponentials(candidates, weights);
    const auto probabilities = test_case["first_probabilities"].get<std::vector<double>>();
    for (size_t i = 0; i < probabilities.size(); ++i) {
      // Scores are rounded to float32 up to three times, each by up to 2^-24 of at most 100.
      EXPECT_NEAR(weights[i] / sum / probabilities[i], 1, 2e-5);
    }
  }
}

TEST(Processors, LargeVocabulariesAgreeWithACompleteSort) {
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> scores(150'000);
  for (float& s : scores) s = normal(random);
  std::vector<float> sorted = scores;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  for (const int k : {1, 50, 1024, 1025, 20'000}) {
    const Candidates candidates = top_k_candidates(scores, k);
    ASSERT_EQ(candidates.size(), size_t(k));
    for (const Candidate& c : candidates) EXPECT_GE(c.score, sorted[size_t(k) - 1]);
  }
  Candidates nucleus = top_k_candidates(scores, 0);
  apply_top_p(nucleus, 0.7f);
  double total = 0, mass = 0;
  for (const float s : sorted) total += std::exp(double(s));
  size_t wanted = 0;
  while (mass < 0.7f * total) mass += std::exp(double(sorted[wanted++]));
  EXPECT_NEAR(double(nucleus.size()), double(wanted), 2);
}

TEST(Processors, KeepMinusInfinityOut) {
  const float none = -std::numeric_limits<float>::infinity();
  SamplingParams params;
  params.top_k = 0;
  params.top_p = 0.99f;
  params.typical_p = 0.99f;
  params.eta_cutoff = 0.001f;
  std::vector<float> scores = {none, 1, none, 1, none};
  const Candidates candidates = process_scores(params, scores, {});
  ASSERT_EQ(candidates.size(), 2u);
  EXPECT_EQ(candidates[0].id, 1);
  EXPECT_EQ(candidates[1].id, 3);
}

TEST(Processors, TinyTemperatureLeavesTheBest) {
  SamplingParams params;
  params.temperature = 1e-30f;
  params.top_k = 0;
  params.min_p = 0.5f;
  std::vector<float> scores = {5, 900, -3, 899.5f};
  const Candidates candidates = process_scores(params, scores, {});
  ASSERT_EQ(candidates.size(), 1u);
  EXPECT_EQ(candidates[0].id, 1);
}

TEST(Processors, RefuseScoresThatAreNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> scores = {0, bad, 1};
    EXPECT_THROW(process_scores({}, scores, {}), Error);
  }
  std::vector<float> none = {-infinity, -infinity};
  EXPECT_THROW(process_scores({}, none, {}), Error);
}

TEST(Processors, RefuseHistoryOutsideOfTheVocabulary) {
  SamplingParams params;
  params.repetition_penalty = 2;
  for (const int32_t bad : {-1, 3}) {
    std::vector<float> scores = {0, 1, 2};
    EXPECT_THROW(process_scores(params, scores, {std::vector<int32_t>{bad}, 0}), Error);
  }
}

}  // namespace
}  // namespace nibble
