#include "serve/decoding_fields.h"

#include <gtest/gtest.h>

#include "serve/api_error.h"

namespace nibble {
namespace {

GenerateParams read(const char* body) {
  GenerateParams params;
  const auto json = nlohmann::ordered_json::parse(body);
  read_decoding(JsonFields(json), 100, params);
  return params;
}

/// The message of the error, or "ok".
std::string wrong(const char* body) {
  try {
    read(body);
    return "ok";
  } catch (const ApiError& error) {
    return error.what();
  }
}

TEST(DecodingFields, WithoutAnyTheDefaultsOfTheCommandLineStay) {
  const GenerateParams params = read("{}"), defaults;
  EXPECT_FALSE(params.sampling.greedy);
  EXPECT_EQ(params.sampling.top_k, defaults.sampling.top_k);
  EXPECT_EQ(params.sampling.temperature, 1);
  EXPECT_EQ(params.sampling.seed, 0u);
  EXPECT_EQ(params.choices, 1u);
  EXPECT_FALSE(params.beams.searches());
}

TEST(DecodingFields, ReadsAll) {
  const SamplingParams s =
      read(R"({"temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "typical_p": 0.95,
      "epsilon_cutoff": 0.001, "eta_cutoff": 0.002, "repetition_penalty": 1.1, "presence_penalty": 0.5,
      "frequency_penalty": -0.5, "seed": 7, "logit_bias": {"3": -100}})")
          .sampling;
  EXPECT_FLOAT_EQ(s.temperature, 0.7f);
  EXPECT_FLOAT_EQ(s.top_p, 0.9f);
  EXPECT_EQ(s.top_k, 40);
  EXPECT_FLOAT_EQ(s.min_p, 0.05f);
  EXPECT_FLOAT_EQ(s.typical_p, 0.95f);
  EXPECT_FLOAT_EQ(s.epsilon_cutoff, 0.001f);
  EXPECT_FLOAT_EQ(s.eta_cutoff, 0.002f);
  EXPECT_FLOAT_EQ(s.repetition_penalty, 1.1f);
  EXPECT_FLOAT_EQ(s.presence_penalty, 0.5f);
  EXPECT_FLOAT_EQ(s.frequency_penalty, -0.5f);
  EXPECT_EQ(s.seed, 7u);
  ASSERT_EQ(s.logit_bias.size(), 1u);
  EXPECT_EQ(s.logit_bias[0].first, 3);
}

TEST(DecodingFields, TemperatureZeroIsGreedy) {
  EXPECT_TRUE(read(R"({"temperature": 0})").sampling.greedy);
  EXPECT_NE(read(R"({"seed": 0})").sampling.seed, 0u);
}

TEST(DecodingFields, BeamsSearchUnlessATemperatureIsGiven) {
  const GenerateParams beams =
      read(R"({"num_beams": 4, "n": 2, "length_penalty": 0.5, "early_stopping": "never"})");
  EXPECT_TRUE(beams.sampling.greedy);
  EXPECT_EQ(beams.beams.num_return_sequences, 2u);
  EXPECT_EQ(beams.choices, 1u);
  EXPECT_FLOAT_EQ(beams.beams.length_penalty, 0.5f);
  EXPECT_EQ(beams.beams.early_stopping, EarlyStopping::never);
  EXPECT_EQ(read(R"({"n": 3})").choices, 3u);
}

TEST(DecodingFields, SaysWhatContradicts) {
  EXPECT_NE(wrong(R"({"diversity_penalty": 0.5})").find("diversity_penalty"), std::string::npos);
  EXPECT_NE(wrong(R"({"num_beams": 4, "num_beam_groups": 3})").find("num_beam_groups"), std::string::npos);
  EXPECT_NE(wrong(R"({"num_beams": 2, "n": 3})"), "ok");
  EXPECT_NE(wrong(R"({"early_stopping": "sometimes"})"), "ok");
}

TEST(DecodingFields, SaysWhatIsOutOfItsRange) {
  for (const char* body : {R"({"top_p": 0})", R"({"top_p": 1.5})", R"({"temperature": -1})",
                           R"({"min_p": "x"})", R"({"presence_penalty": 3})", R"({"logit_bias": {"100": 1}})",
                           R"({"logit_bias": {"x": 1}})", R"({"logit_bias": {"1": 101}})",
                           R"({"stop": [""]})", R"({"stop": 3})", R"({"n": 0})", R"({"num_beams": 1000})"}) {
    EXPECT_NE(wrong(body), "ok") << body;
  }
}

}  // namespace
}  // namespace nibble
