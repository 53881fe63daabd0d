#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "base/testing.h"
#include "base/utf8.h"
#include "engine/testing.h"

namespace nibble {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

/// The logits of a sequence, computed in one go: [tokens, vocab].
std::vector<std::vector<float>> all_logits(Engine& engine, const std::vector<int32_t>& tokens) {
  std::vector<std::vector<float>> rows;
  engine.logits(tokens, [&](size_t first, std::span<const float> logits, size_t count) {
    EXPECT_EQ(first, rows.size());
    const size_t vocab = logits.size() / count;
    for (size_t i = 0; i < count; ++i) {
      const auto row = logits.subspan(i * vocab, vocab);
      rows.emplace_back(row.begin(), row.end());
    }
  });
  return rows;
}

double log_probability(const std::vector<float>& logits, int32_t token) {
  double max = logits[0], sum = 0;
  for (const float x : logits) max = std::max(max, double(x));
  for (const float x : logits) sum += std::exp(double(x) - max);
  return double(logits[size_t(token)]) - max - std::log(sum);
}

TEST(EngineGenerate, GreedyTakesTheBestOfTheLogits) {
  const TinyModel model;
  auto engine = load(model);
  std::vector<int32_t> sequence = {10, 20, 30};
  const Generation answer = engine->generate(sequence, greedy(8));
  ASSERT_FALSE(answer.tokens.empty());
  for (const int32_t token : answer.tokens) {
    const auto last = all_logits(*engine, sequence).back();
    EXPECT_EQ(token, std::max_element(last.begin(), last.end()) - last.begin());
    sequence.push_back(token);
  }
}

TEST(EngineGenerate, TheCacheOfTheLastCallChangesNothing) {
  const TinyModel model;
  auto engine = load(model), fresh = load(model);
  const std::vector<int32_t> first = {5, 6, 7, 8, 9, 10}, second = {5, 6, 7, 8, 77, 11};
  const Generation once = engine->generate(first, greedy(6));
  EXPECT_EQ(once.cached_tokens, 0u);
  const Generation other = engine->generate(second, greedy(6));
  EXPECT_EQ(other.cached_tokens, 4u);
  EXPECT_EQ(other.tokens, fresh->generate(second, greedy(6)).tokens);
  // Again the same prompt: only its last token is computed.
  const Generation again = engine->generate(second, greedy(6));
  EXPECT_EQ(again.cached_tokens, 5u);
  EXPECT_EQ(again.tokens, other.tokens);
}

TEST(EngineGenerate, AConversationComputesOnlyWhatIsNew) {
  const TinyModel model;
  auto engine = load(model);
  std::vector<int32_t> sequence = {1, 2, 3};
  const Generation answer = engine->generate(sequence, greedy(5));
  sequence.insert(sequence.end(), answer.tokens.begin(), answer.tokens.end());
  sequence.push_back(42);
  // The answer's last token was chosen but not computed.
  EXPECT_EQ(engine->generate(sequence, greedy(2)).cached_tokens, 3 + answer.tokens.size() - 1);
}

TEST(EngineGenerate, ThreadsDoNotMatter) {
  const TinyModel model;
  const std::vector<int32_t> prompt = {3, 1, 4, 1, 5, 9, 2, 6};
  GenerateParams params;
  params.sampling.seed = 11;
  params.max_new_tokens = 20;
  const auto one = load(model, 0, 1)->generate(prompt, params);
  const auto three = load(model, 0, 3)->generate(prompt, params);
  EXPECT_EQ(one.tokens, three.tokens);
  EXPECT_EQ(one.text, three.text);
}

TEST(EngineGenerate, StreamsWholeCharactersThatAddUpToTheText) {
  const TinyModel model;
  auto engine = load(model);
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    GenerateParams params;
    params.sampling.seed = seed;
    params.sampling.top_k = 0;
    params.sampling.temperature = 3;
    params.max_new_tokens = 40;
    std::string streamed;
    const auto answer = engine->generate(std::vector<int32_t>{65}, params, [&](std::string_view piece) {
      EXPECT_EQ(find_invalid_utf8(piece), piece.size());
      streamed += piece;
      return true;
    });
    EXPECT_EQ(streamed, answer.text);
    EXPECT_EQ(answer.seed, seed);
  }
}

TEST(EngineGenerate, EndsBeforeAStopString) {
  const TinyModel model;
  auto engine = load(model);
  GenerateParams params;
  params.sampling.seed = 3;
  params.max_new_tokens = 60;
  const std::vector<int32_t> prompt = {65, 66};
  const std::string text = engine->generate(prompt, params).text;
  ASSERT_GT(text.size(), 20u);
  const size_t at = complete_utf8_prefix(std::string_view(text).substr(0, 10));
  params.stop = {"never", text.substr(at, complete_utf8_prefix(std::string_view(text).substr(at, 4)))};
  std::string streamed;
  const Generation answer = engine->generate(prompt, params, [&](std::string_view piece) {
    streamed += piece;
    return true;
  });
  EXPECT_EQ(answer.reason, StopReason::stop_string);
  EXPECT_EQ(answer.text, text.substr(0, text.find(params.stop[1])));
  EXPECT_EQ(streamed, answer.text);
}

TEST(EngineGenerate, EndsAtTheEndToken) {
  const TinyModel model;
  auto engine = load(model);
  GenerateParams params;
  params.sampling.top_k = 0;
  params.sampling.temperature = 5;
  params.max_new_tokens = 100;
  int ended = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    params.sampling.seed = seed;
    const Generation answer = engine->generate(std::vector<int32_t>{65}, params);
    const auto end = std::find(answer.tokens.begin(), answer.tokens.end(), TinyModel::kEnd);
    if (end == answer.tokens.end()) continue;
    ++ended;
    EXPECT_EQ(answer.reason, StopReason::end_of_turn);
    EXPECT_EQ(end, answer.tokens.end() - 1);
    EXPECT_THAT(answer.text, ::testing::Not(HasSubstr("im_end")));
  }
  EXPECT_GT(ended, 0);
}

TEST(EngineGenerate, FillsTheContextAndSaysSo) {
  const TinyModel model({.tokenizer = false});
  auto engine = load(model, 16);
  std::mt19937 random(1);
  Generation answer = engine->generate(random_tokens(random, 10), greedy(50));
  EXPECT_EQ(answer.reason, StopReason::context_full);
  EXPECT_EQ(answer.tokens.size(), 6u);  // prompt and answer together are 16
  answer = engine->generate(random_tokens(random, 15), greedy(50));
  EXPECT_EQ(answer.reason, StopReason::context_full);
  EXPECT_EQ(answer.tokens.size(), 1u);
  const std::string error = error_of([&] { engine->generate(random_tokens(random, 16), greedy(1)); });
  EXPECT_THAT(error,
              ::testing::AllOf(HasSubstr("16 tokens"), HasSubstr("context is 16"), HasSubstr("--context")));
}

TEST(EngineGenerate, GreedyAnswersHaveNoSeed) {
  const TinyModel model;
  auto engine = load(model);
  EXPECT_FALSE(engine->generate(std::vector<int32_t>{65}, greedy(2)).seed.has_value());
  EXPECT_TRUE(engine->generate(std::vector<int32_t>{65}, {}).seed.has_value());
}

TEST(EngineLoad, SaysBeforeTheWeightsThatATokenizerIsMissing) {
  const TinyModel model({.tokenizer = false});
  EXPECT_THAT(error_of([&] { Engine::load(model.path(), {.needs_tokenizer = true}); }),
              ::testing::AllOf(HasSubstr("no tokenizer"), HasSubstr("use a model that has one")));
}

TEST(EngineGenerate, CanBeCancelled) {
  const TinyModel model;
  auto engine = load(model);
  int calls = 0;
  const Generation answer =
      engine->generate(std::vector<int32_t>{65}, greedy(50), [&](std::string_view) { return ++calls < 4; });
  EXPECT_EQ(answer.reason, StopReason::cancelled);
  EXPECT_EQ(answer.tokens.size(), 4u);
  // What was computed stays valid.
  auto fresh = load(model);
  EXPECT_EQ(engine->generate(std::vector<int32_t>{65}, greedy(6)).tokens,
            fresh->generate(std::vector<int32_t>{65}, greedy(6)).tokens);
}

TEST(EngineGenerate, RefusesWhatItCannotDo) {
  const TinyModel model;
  auto engine = load(model);
  EXPECT_THAT(error_of([&] { engine->generate({}, greedy(1)); }), HasSubstr("prompt is empty"));
  const std::vector<int32_t> prompt = {1, 2, 100'000};
  EXPECT_THAT(error_of([&] { engine->generate(prompt, greedy(1)); }), HasSubstr("100000"));
  GenerateParams params;
  params.sampling.top_p = 2;
  EXPECT_THAT(error_of([&] { engine->generate(std::vector<int32_t>{1}, params); }), HasSubstr("top_p is 2"));
  EXPECT_THAT(error_of([&] { load(model, 100'000); }),
              ::testing::AllOf(HasSubstr("128"), HasSubstr("100000"), HasSubstr("--context")));
}

TEST(EngineGenerate, RowsWithoutATokenHaveNoText) {
  const TinyModel model({.extra_rows = 200});
  auto engine = load(model);
  GenerateParams params;
  params.sampling.seed = 2;
  params.sampling.top_k = 0;
  params.sampling.temperature = 10;
  params.max_new_tokens = 60;
  const Generation answer = engine->generate(std::vector<int32_t>{65}, params);
  EXPECT_GT(*std::max_element(answer.tokens.begin(), answer.tokens.end()), TinyModel::kTokens);
}

TEST(Engine, WithoutTokenizerTokensWorkAndTextSaysWhatToDo) {
  const TinyModel model({.tokenizer = false});
  auto engine = load(model);
  EXPECT_FALSE(engine->has_tokenizer());
  EXPECT_EQ(engine->generate(std::vector<int32_t>{1}, greedy(3)).text, "");
  EXPECT_THAT(error_of([&] { engine->tokenizer(); }), HasSubstr("--tokens"));
}

TEST(Engine, EncodesChatsByTheTemplate) {
  const TinyModel plain;
  auto engine = load(plain);
  EXPECT_FALSE(engine->has_chat_template());
  // ChatML: <|im_start|> user \n hi <|im_end|> \n <|im_start|> assistant \n
  const std::vector<int32_t> ids = engine->encode_chat({{"user", "hi"}});
  EXPECT_EQ(std::count(ids.begin(), ids.end(), TinyModel::kStart), 2);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), TinyModel::kEnd), 1);
  EXPECT_EQ(ids.front(), TinyModel::kStart);

  const TinyModel own({.chat_template = "{{ bos_token }}[{{ messages[0].content }}]{{ eos_token }}"});
  engine = load(own);
  EXPECT_TRUE(engine->has_chat_template());
  EXPECT_EQ(engine->encode_chat({{"user", "a"}}),
            (std::vector<int32_t>{TinyModel::kBegin, '[', 'a', ']', TinyModel::kEnd}));
  engine->set_chat_template(ChatTemplate("x"));
  EXPECT_EQ(engine->encode_chat({{"user", "a"}}), std::vector<int32_t>{'x'});
  engine->use_own_chat_template();
  EXPECT_EQ(engine->encode_chat({{"user", "a"}}).size(), 5u);
}

TEST(EngineLogits, ComeInSlicesFromAnyPosition) {
  const TinyModel model;
  auto engine = load(model);
  std::mt19937 random(4);
  const auto tokens = random_tokens(random, 100);
  const auto all = all_logits(*engine, tokens);
  ASSERT_EQ(all.size(), 100u);
  size_t next = 37;
  engine->logits(
      tokens,
      [&](size_t first, std::span<const float> logits, size_t rows) {
        EXPECT_EQ(first, next);
        const size_t vocab = logits.size() / rows;
        for (size_t i = 0; i < rows; ++i) {
          const auto row = logits.subspan(i * vocab, vocab);
          EXPECT_EQ(std::vector<float>(row.begin(), row.end()), all[first + i]);
        }
        next += rows;
      },
      37);
  EXPECT_EQ(next, 100u);
}

TEST(EngineScore, EqualsTheLogitsOfWholeSequences) {
  const TinyModel model;
  auto engine = load(model);
  std::mt19937 random(6);
  // Of few different tokens, so that contexts and continuations share beginnings, and some are equal.
  auto few_tokens = [&](size_t count) {
    std::vector<int32_t> tokens(count);
    for (int32_t& t : tokens) t = int32_t(random() % 2);
    return tokens;
  };
  std::vector<ScoreRequest> requests(200);
  for (size_t i = 0; i < requests.size(); ++i) {
    auto tokens = [&](size_t most) {
      const size_t count = 1 + random() % most;
      return i % 2 ? random_tokens(random, count) : few_tokens(count);
    };
    requests[i].context = tokens(i % 5 ? 10 : 90);
    for (size_t c = random() % 6; c > 0; --c) requests[i].continuations.push_back(tokens(6));
  }
  size_t done = 0;
  const auto scores = engine->score(requests, [&](size_t count) { done += count; });
  EXPECT_EQ(done, requests.size());
  ASSERT_EQ(scores.size(), requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_EQ(scores[i].size(), requests[i].continuations.size());
    for (size_t c = 0; c < scores[i].size(); ++c) {
      auto sequence = requests[i].context;
      const auto& continuation = requests[i].continuations[c];
      sequence.insert(sequence.end(), continuation.begin(), continuation.end());
      const auto logits = all_logits(*engine, sequence);
      ASSERT_EQ(scores[i][c].size(), continuation.size());
      for (size_t t = 0; t < continuation.size(); ++t) {
        const auto& row = logits[requests[i].context.size() + t - 1];
        // The sum of exponentials is made of floats: 2^-23 of each, and as much of the result.
        EXPECT_NEAR(scores[i][c][t].log_probability, log_probability(row, continuation[t]), 1e-6);
        const auto best = std::max_element(row.begin(), row.end()) - row.begin();
        EXPECT_EQ(scores[i][c][t].greedy, continuation[t] == best);
      }
    }
  }
}

TEST(EngineScore, DoesNotDependOnTheBatch) {
  const TinyModel model;
  auto engine = load(model);
  std::mt19937 random(8);
  std::vector<ScoreRequest> requests(20);
  for (ScoreRequest& request : requests) {
    request.context = random_tokens(random, 1 + random() % 40);
    for (int c = 0; c < 4; ++c) request.continuations.push_back(random_tokens(random, 1 + random() % 5));
  }
  const auto together = engine->score(requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto alone = engine->score(std::span(&requests[i], 1))[0];
    for (size_t c = 0; c < alone.size(); ++c) {
      for (size_t t = 0; t < alone[c].size(); ++t) {
        EXPECT_EQ(alone[c][t].log_probability, together[i][c][t].log_probability);
      }
    }
  }
}

// Its positions turn by the whole sequence's length, so that nothing may come from shorter ones.
TEST(EngineScore, DynamicRopeIsComputedInOnePass) {
  const TinyModel model({.dynamic_rope = true});
  auto engine = load(model), fresh = load(model);
  std::mt19937 random(9);
  ScoreRequest request{random_tokens(random, 40), {random_tokens(random, 3), random_tokens(random, 8)}};
  const auto scores = engine->score(std::span(&request, 1))[0];
  for (size_t c = 0; c < 2; ++c) {
    auto sequence = request.context;
    const auto& continuation = request.continuations[c];
    sequence.insert(sequence.end(), continuation.begin(), continuation.end() - 1);
    const auto logits = all_logits(*engine, sequence);
    for (size_t t = 0; t < continuation.size(); ++t) {
      EXPECT_NEAR(scores[c][t].log_probability, log_probability(logits[39 + t], continuation[t]), 1e-6);
    }
  }
  engine->generate(request.context, greedy(4));
  request.context.push_back(7);
  const Generation again = engine->generate(request.context, greedy(4));
  EXPECT_EQ(again.cached_tokens, 0u);
  EXPECT_EQ(again.tokens, fresh->generate(request.context, greedy(4)).tokens);
}

TEST(EngineScore, RefusesQuestionsItCannotScore) {
  const TinyModel model;
  auto engine = load(model, 16);
  auto score = [&](ScoreRequest request) { return error_of([&] { engine->score(std::span(&request, 1)); }); };
  EXPECT_THAT(score({{}, {{1}}}), HasSubstr("empty context"));
  EXPECT_THAT(score({{1}, {{}}}), HasSubstr("empty continuation"));
  EXPECT_THAT(score({{1}, {{-1}}}), HasSubstr("token -1"));
  EXPECT_THAT(score({{1}, {{1'000'000}}}), HasSubstr("token 1000000"));
  EXPECT_THAT(score({{1'000'000}, {{1}}}), HasSubstr("1000000"));
  EXPECT_THAT(score({std::vector<int32_t>(10, 1), {std::vector<int32_t>(8, 1)}}),
              ::testing::AllOf(HasSubstr("17 tokens"), HasSubstr("context is 16"), HasSubstr("--context")));
  EXPECT_EQ(score({std::vector<int32_t>(10, 1), {std::vector<int32_t>(7, 1)}}), "no error");
}

TEST(Engine, TellsWhatItHolds) {
  const TinyModel model;
  auto engine = load(model);
  EXPECT_GT(engine->memory().weight_bytes, 0u);
  EXPECT_EQ(engine->memory().cache_bytes, 0u);
  engine->generate(std::vector<int32_t>{1}, greedy(1));
  EXPECT_EQ(engine->memory().cache_bytes, KvCache::bytes_for(engine->model().config(), 1, 128, KvType::f16));
}

}  // namespace
}  // namespace nibble
