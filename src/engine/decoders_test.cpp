#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "engine/draft_pool.h"
#include "engine/engine.h"
#include "engine/log_softmax.h"
#include "engine/speculator.h"
#include "engine/step_times.h"
#include "engine/testing.h"
#include "sampling/grammar/grammar.h"

namespace nibble {
namespace {

const std::vector<int32_t> kPrompt = {'a', 'b', 'c', 'a', 'b'};

/// The sum of log-probabilities of a continuation, by scoring it.
double score_of(Engine& engine, const std::vector<int32_t>& prompt, const std::vector<int32_t>& tokens) {
  const std::vector<ScoreRequest> request = {{prompt, {tokens}}};
  double sum = 0;
  const auto scores = engine.score(request);
  for (const auto& token : scores[0][0]) sum += token.log_probability;
  return sum;
}

TEST(Beams, ScoresAreThoseOfTheirTokens) {
  const TinyModel model;
  auto engine = Engine::load(model.path());
  GenerateParams params = greedy(12);
  params.beams = {.num_beams = 4, .length_penalty = 0, .num_return_sequences = 4};
  const auto answers = engine->generate_choices(kPrompt, params);
  ASSERT_EQ(answers.size(), 4u);
  for (size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i].score);
    EXPECT_NEAR(*answers[i].score, score_of(*engine, kPrompt, answers[i].tokens), 1e-4);
    if (i > 0) {
      EXPECT_GE(*answers[i - 1].score, *answers[i].score);
    }
    EXPECT_NE(answers[i].reason, StopReason::cancelled);
  }
}

/// Every continuation of two tokens is looked at when there are as many beams as tokens.
TEST(Beams, WithBeamsForEveryTokenFindTheBestAnswerOfAll) {
  const TinyModel model({.tokenizer = false});
  auto engine = Engine::load(model.path());
  GenerateParams params = greedy(2);
  params.beams = {.num_beams = 256, .length_penalty = 0};
  params.sampling.logit_bias = {{3, 1.5f}};
  const auto answers = engine->generate_choices(kPrompt, params);
  double best = -1e9;
  std::vector<int32_t> best_tokens;
  for (int32_t first = 0; first < TinyModel::kTokens; ++first) {
    std::vector<int32_t> tokens = kPrompt;
    tokens.push_back(first);
    engine->logits(tokens, [&](size_t position, std::span<const float> rows, size_t count) {
      std::vector<std::vector<float>> wanted;
      for (size_t i = 0; i < count; ++i) {
        if (position + i + 2 < tokens.size()) continue;
        auto row = rows.subspan(i * rows.size() / count, rows.size() / count);
        wanted.emplace_back(row.begin(), row.end());
        wanted.back()[3] += 1.5f;
      }
      ASSERT_EQ(wanted.size(), 2u);
      const double before = wanted[0][size_t(first)] - LogSoftmax(wanted[0]).log_total;
      for (size_t second = 0; second < wanted[1].size(); ++second) {
        const double sum = before + wanted[1][second] - LogSoftmax(wanted[1]).log_total;
        if (sum <= best) continue;
        best = sum;
        best_tokens = {first, int32_t(second)};
      }
    });
  }
  EXPECT_EQ(answers[0].tokens, best_tokens);
  EXPECT_NEAR(*answers[0].score, best, 1e-4);
}

TEST(Beams, GroupsDiffer) {
  const TinyModel model;
  auto engine = Engine::load(model.path());
  GenerateParams params = greedy(6);
  params.beams = {.num_beams = 3, .num_beam_groups = 3, .diversity_penalty = 100, .num_return_sequences = 3};
  const auto answers = engine->generate_choices(kPrompt, params);
  ASSERT_EQ(answers.size(), 3u);
  for (size_t at = 0; at < 6; ++at) {
    EXPECT_NE(answers[0].tokens[at], answers[1].tokens[at]);
    EXPECT_NE(answers[0].tokens[at], answers[2].tokens[at]);
    EXPECT_NE(answers[1].tokens[at], answers[2].tokens[at]);
  }
}

TEST(Beams, SampledOnesRepeatWithTheirSeed) {
  const TinyModel model;
  auto engine = Engine::load(model.path());
  GenerateParams params = greedy(8);
  params.sampling.greedy = false;
  params.beams = {.num_beams = 3, .num_return_sequences = 3};
  const auto first = engine->generate_choices(kPrompt, params);
  ASSERT_TRUE(first[0].seed);
  params.sampling.seed = *first[0].seed;
  const auto again = engine->generate_choices(kPrompt, params);
  ASSERT_EQ(first.size(), again.size());
  for (size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].tokens, again[i].tokens);
  params.sampling.seed += 1;
  EXPECT_NE(first[0].tokens, engine->generate_choices(kPrompt, params)[0].tokens);
}

TEST(Beams, StopStringsEndBeams) {
  const TinyModel model;
  auto engine = Engine::load(model.path());
  GenerateParams params = greedy(10);
  params.beams = {.num_beams = 3};
  const auto whole = engine->generate_choices(kPrompt, params)[0];
  size_t at = 1;
  while (at + 1 < whole.text.size() && (whole.text[at] < 33 || whole.text[at] > 126)) ++at;
  if (at + 1 >= whole.text.size()) GTEST_SKIP() << "the answer has no character for a stop string";
  params.stop = {whole.text.substr(at, 1)};
  params.beams.early_stopping = EarlyStopping::on;
  for (const Generation& answer : engine->generate_choices(kPrompt, params)) {
    EXPECT_EQ(answer.text.find(params.stop[0]), std::string::npos);
  }
}

/// A small random model repeats itself soon, so that lookup has something to guess.
TEST(Speculation, ChangesNoAnswer) {
  const TinyModel model({.context = 512});
  auto engine = Engine::load(model.path());
  uint32_t accepted = 0;
  for (const uint64_t seed : {0, 1, 2, 3, 4}) {
    GenerateParams params = greedy(200);
    params.sampling.greedy = seed == 0;
    params.sampling.seed = seed;
    params.sampling.top_k = seed % 2 ? 2 : 50;
    params.sampling.temperature = seed > 2 ? 0.2f : 1;
    params.sampling.frequency_penalty = seed == 4 ? 0.01f : 0;
    params.speculation = Speculation::off;
    const Generation plain = engine->generate(kPrompt, params);
    EXPECT_EQ(plain.drafted, 0u);
    params.speculation = Speculation::always;
    const Generation drafted = engine->generate(kPrompt, params);
    EXPECT_EQ(plain.tokens, drafted.tokens) << "seed " << seed;
    EXPECT_EQ(plain.text, drafted.text);
    EXPECT_EQ(plain.reason, drafted.reason);
    EXPECT_LE(drafted.accepted, drafted.drafted);
    accepted += drafted.accepted;
  }
  EXPECT_GT(accepted, 0u);
}

TEST(Speculation, ADraftModelChangesNoAnswer) {
  const TinyModel model({.context = 256}), other({.seed = 2, .context = 128});
  for (const TinyModel* draft : {&model, &other}) {
    EngineOptions options;
    options.draft_model = draft->path();
    auto engine = Engine::load(model.path(), options);
    for (const uint64_t seed : {0, 5}) {
      GenerateParams params = greedy(180);
      params.sampling.greedy = seed == 0;
      params.sampling.seed = seed;
      params.speculation = Speculation::always;
      const Generation drafted = engine->generate(kPrompt, params);
      params.speculation = Speculation::off;
      EXPECT_EQ(engine->generate(kPrompt, params).tokens, drafted.tokens);
      EXPECT_GT(drafted.drafted, 20u);
      // The model itself is right up to where the answer ends within its last draft.
      if (draft == &model && seed == 0) {
        EXPECT_GE(drafted.accepted + 16, drafted.drafted);
      }
    }
  }
}

TEST(DraftPool, GivesWhatItHasRoomFor) {
  const TinyModel model({.context = 256});
  ThreadPool threads(1);
  Forward forward(Model::load(Checkpoint::open(model.path()), threads), threads);
  // Of six blocks; an answer takes four at most, as the capacity is 256 tokens.
  DraftPool pool(forward, TinyModel::kTokens, 3, 256, 6, KvType::f16);
  auto first = pool.take(5000), second = pool.take(65);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(pool.take(1));  // no block
  const std::vector<int32_t> history(250, 7);
  EXPECT_EQ(first->draft(history, 16).size(), 6u);
  EXPECT_TRUE(first->draft(std::vector<int32_t>(300, 7), 16).empty());
  EXPECT_EQ(second->draft(kPrompt, 16).size(), 16u);
  EXPECT_EQ(second->draft(std::vector<int32_t>(60, 7), 16).size(), 5u);
  EXPECT_EQ(pool.cache().free_blocks(), 1u);  // of 65 tokens 64 were computed
  first.reset();
  EXPECT_EQ(pool.cache().free_blocks(), 5u);
  const auto third = pool.take(1), fourth = pool.take(1);
  EXPECT_TRUE(third && fourth);
  EXPECT_FALSE(pool.take(1));  // blocks, but no sequence
}

TEST(Speculation, ADraftModelHasTheSameTokens) {
  const TinyModel model, other({.extra_rows = 3, .tokenizer = false});
  EngineOptions options;
  options.draft_model = other.path();
  EXPECT_THROW(Engine::load(model.path(), options), Error);
}

TEST(Grammars, HoldRandomAnswers) {
  const TinyModel model({.context = 512});
  auto engine = Engine::load(model.path());
  GenerateParams params = greedy(300);
  params.sampling.greedy = false;
  params.grammar = Grammar::from_json_schema(
      R"({"type": "object", "properties": {"a": {"type": "integer", "minimum": 10, "maximum": 99},
          "b": {"type": "array", "items": {"enum": ["x", "y"]}, "maxItems": 3}}, "required": ["a", "b"]})",
      engine->token_table());
  for (const Speculation speculation : {Speculation::off, Speculation::always}) {
    params.speculation = speculation;
    for (params.sampling.seed = 1; params.sampling.seed <= 10; ++params.sampling.seed) {
      const Generation answer = engine->generate(kPrompt, params);
      ASSERT_EQ(answer.reason, StopReason::end_of_turn) << answer.text;
      const auto json = nlohmann::json::parse(answer.text);
      EXPECT_GE(json.at("a").get<int>(), 10);
      EXPECT_LE(json.at("a").get<int>(), 99);
      EXPECT_LE(json.at("b").size(), 3u);
    }
  }
}

TEST(Grammars, HoldBeams) {
  const TinyModel model({.context = 512});
  auto engine = Engine::load(model.path());
  GenerateParams params = greedy(40);
  params.grammar = Grammar::from_regex("(cat|dog|cow){2}", engine->token_table());
  params.beams = {.num_beams = 4, .num_return_sequences = 4};
  const auto answers = engine->generate_choices(kPrompt, params);
  ASSERT_EQ(answers.size(), 4u);
  for (const Generation& answer : answers) {
    EXPECT_EQ(answer.reason, StopReason::end_of_turn);
    EXPECT_EQ(answer.text.size(), 6u);
    EXPECT_EQ(answer.text.find_first_not_of("catdogw"), std::string::npos);
  }
}

TEST(StepTimes, LearnsFromSteps) {
  StepTimes times;
  EXPECT_EQ(times.estimate(3), 0);
  times.record(1, 0.010);
  EXPECT_NEAR(times.estimate(1), 0.010, 1e-9);
  EXPECT_GT(times.estimate(5), times.estimate(1));
  for (int i = 0; i < 60; ++i) times.record(5, 0.020);
  EXPECT_NEAR(times.estimate(5), 0.020, 1e-4);
  EXPECT_NEAR(times.estimate(3), 0.015, 1e-4);
  EXPECT_NEAR(times.estimate(9), 0.030, 1e-4);
  times.record(5, 10);  // an interruption
  EXPECT_LT(times.estimate(5), 0.03);
}

/// With steps whose time does not grow guesses always pay, with steps whose time does they never do.
TEST(Speculator, GuessesWhereItPays) {
  for (const bool pays : {true, false}) {
    auto times = std::make_shared<StepTimes>();
    for (size_t tokens = 1; tokens <= 20; ++tokens) {
      for (int i = 0; i < 40; ++i) times->record(tokens, pays ? 0.01 : 0.01 * double(tokens));
    }
    Speculator speculator(times);
    std::vector<int32_t> history;
    size_t drafted = 0;
    for (int i = 0; i < 60; ++i) {
      history.push_back(i % 5);
      drafted += speculator.draft(history, 10, 1).size();
      speculator.learn(history);
    }
    EXPECT_EQ(drafted > 0, pays);
  }
}

TEST(Speculator, StopsGuessingWhatIsWrong) {
  auto times = std::make_shared<StepTimes>();
  for (size_t tokens = 1; tokens <= 20; ++tokens) {
    for (int i = 0; i < 40; ++i) times->record(tokens, 0.01 + 0.002 * double(tokens));
  }
  Speculator speculator(times);
  // Pairs come again, and every time something else follows.
  std::vector<int32_t> history;
  size_t first = 0, last = 0;
  for (int i = 0; i < 300; ++i) {
    const int32_t more[] = {1, 2, 100 + i};
    for (const int32_t token : more) {
      history.push_back(token);
      const size_t drafted = speculator.draft(history, 10, 1).size();
      history.push_back(token == 2 ? 3000 + i : token);
      speculator.learn(history);
      history.pop_back();
      (i < 150 ? first : last) += drafted;
    }
  }
  EXPECT_LE(last, 3u);
}

}  // namespace
}  // namespace nibble
