#include "engine/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

#include "base/testing.h"
#include "engine/testing.h"

namespace nibble {
namespace {

using std::chrono::milliseconds;
using testing::error_of;
using ::testing::HasSubstr;

/// Far more than anything here takes: a test that waits so long has failed.
constexpr milliseconds kLong{60'000};

uint64_t cache_blocks(const Engine& engine, uint32_t blocks) {
  return KvCache::bytes_for(engine.model().config(), blocks, kKvBlock, KvType::f16);
}

GenerateParams seeded(uint64_t seed, uint32_t tokens) {
  GenerateParams params;
  params.sampling.seed = seed;
  params.sampling.temperature = 1.5f;
  params.max_new_tokens = tokens;
  return params;
}

/// For an answer that runs until it is cancelled: the sentence's end is ruled out, and kEndless tokens take
/// longer than a machine lets a test wait for its turn.
constexpr uint32_t kEndless = 65'536, kEndlessBlocks = kEndless / kKvBlock;

GenerateParams endless() {
  GenerateParams params = greedy(kEndless - 16);
  params.sampling.logit_bias = {{TinyModel::kEnd, -100.0f}};
  return params;
}

struct Result {
  std::vector<TokenLogprob> tokens;
  std::string text;
  std::optional<StopReason> reason;

  std::vector<int32_t> ids() const {
    std::vector<int32_t> ids;
    for (const TokenLogprob& token : tokens) ids.push_back(token.id);
    return ids;
  }
};

/// What the choices of a request become; on_piece is called at each piece.
std::vector<Result> collect(RequestHandle& handle, uint32_t choices = 1,
                            const std::function<void()>& on_piece = {}) {
  std::vector<Result> results(choices);
  while (!handle.done()) {
    auto piece = handle.next(kLong);
    if (!piece) continue;
    Result& result = results.at(piece->choice);
    EXPECT_FALSE(result.reason.has_value()) << "a piece after the end";
    for (TokenLogprob& token : piece->tokens) result.tokens.push_back(std::move(token));
    result.text += piece->text;
    result.reason = piece->reason;
    if (on_piece) on_piece();
  }
  for (const Result& result : results) EXPECT_TRUE(result.reason.has_value());
  return results;
}

Result ask(Scheduler& scheduler, std::vector<int32_t> prompt, const GenerateParams& params) {
  return collect(*scheduler.submit({std::move(prompt), params}))[0];
}

void wait_until(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kLong;
  bool holds = condition();
  while (!holds && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(milliseconds(1));
    holds = condition();
  }
  ASSERT_TRUE(holds);
}

/// Requests with common beginnings join, leave and are cancelled at random, in a cache that holds few.
void expect_answers_as_alone(const TinyModel& model, uint32_t context, uint32_t blocks) {
  auto engine = load(model, context), reference = load(model, context);
  std::mt19937 random(4);
  const auto common = random_tokens(random, context / 2);
  std::vector<Request> requests(60);
  std::vector<Generation> expected;
  for (size_t i = 0; i < requests.size(); ++i) {
    auto& [prompt, params] = requests[i];
    prompt.assign(common.begin(), common.begin() + ptrdiff_t(random() % common.size()));
    for (const int32_t token : random_tokens(random, 1 + random() % 20)) prompt.push_back(token);
    const auto most = uint32_t(1 + random() % 40);
    params = i % 2 ? greedy(most) : seeded(1 + random(), most);
    expected.push_back(reference->generate(prompt, params));
  }
  Scheduler scheduler(*engine, {.max_sequences = 4, .cache_bytes = cache_blocks(*engine, blocks)});
  std::vector<std::thread> clients;
  for (size_t client = 0; client < 3; ++client) {
    clients.emplace_back([&, client] {
      for (size_t i = client; i + 3 < requests.size(); i += 6) {
        auto first = scheduler.submit(requests[i]), second = scheduler.submit(requests[i + 3]);
        if (i % 5 == 0) std::this_thread::sleep_for(std::chrono::microseconds(i * 50));
        if (i % 5 == 0) first->cancel();
        const Result one = collect(*first)[0], two = collect(*second)[0];
        if (one.reason == StopReason::cancelled) {
          EXPECT_EQ(i % 5, 0u);
          EXPECT_LE(one.tokens.size(), expected[i].tokens.size());
        } else {
          EXPECT_EQ(one.ids(), expected[i].tokens);
          EXPECT_EQ(one.reason, expected[i].reason);
        }
        EXPECT_EQ(two.ids(), expected[i + 3].tokens);
        EXPECT_EQ(two.text, expected[i + 3].text);
        EXPECT_EQ(two.reason, expected[i + 3].reason);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  const SchedulerStatus status = scheduler.status();
  EXPECT_LE(status.cache_used_bytes, status.cache_bytes);
}

TEST(Scheduler, AnswersAreThoseAlone) {
  const TinyModel model({.context = 512});
  expect_answers_as_alone(model, 512, 12);
}

TEST(Scheduler, AnswersAreThoseAloneWithRoomForAll) {
  const TinyModel model({.context = 512});
  expect_answers_as_alone(model, 512, 200);
}

// Positions turn by the whole length beyond a quarter of the context.
TEST(Scheduler, AnswersOfDynamicRopeAreThoseAlone) {
  const TinyModel model({.context = 256, .dynamic_rope = true});
  expect_answers_as_alone(model, 256, 12);
}

TEST(Scheduler, LongPromptsLetAnswersFlow) {
  const TinyModel model({.context = kEndless});
  auto engine = load(model, kEndless);
  Scheduler scheduler(*engine);
  std::mt19937 random(1);
  const auto running = scheduler.submit({{1, 2, 3}, endless()});
  ASSERT_TRUE(running->next(kLong).has_value());
  const auto prompt = random_tokens(random, 3000);
  const auto before = running->usage().completion_tokens;
  const Result result = ask(scheduler, prompt, greedy(1));
  EXPECT_EQ(result.tokens.size(), 1u);
  // 3000 tokens are at least six slices, and each step gives the running answer a token.
  EXPECT_GE(running->usage().completion_tokens, before + 5);
}

TEST(Scheduler, WhatIsCancelledLeavesWithinAStep) {
  const TinyModel model({.context = kEndless});
  auto engine = load(model, kEndless);
  Scheduler scheduler(*engine, {.max_sequences = 1});
  GenerateParams params = endless();
  params.speculation = Speculation::off;  // a step gives one token
  const auto running = scheduler.submit({{1}, params}), waiting = scheduler.submit({{2}, greedy(3)});
  ASSERT_TRUE(running->next(kLong).has_value());
  EXPECT_EQ(scheduler.status().queued, 1u);
  running->cancel();
  const uint32_t tokens = running->usage().completion_tokens;
  EXPECT_EQ(collect(*running)[0].reason, StopReason::cancelled);
  EXPECT_LE(running->usage().completion_tokens, tokens + 1);
  EXPECT_EQ(collect(*waiting)[0].tokens.size(), 3u);
  // A handle that goes away cancels too, running or waiting.
  auto lost = scheduler.submit({{3}, endless()}), lost_waiting = scheduler.submit({{4}, endless()});
  lost.reset();
  lost_waiting.reset();
  wait_until([&] { return scheduler.status().active == 0 && scheduler.status().queued == 0; });
  EXPECT_EQ(scheduler.status().sequences, 0u);
}

TEST(Scheduler, TheQueueIsBounded) {
  const TinyModel model({.context = kEndless});
  auto engine = load(model, kEndless);
  Scheduler scheduler(*engine, {.max_sequences = 1, .max_queue = 2});
  const auto running = scheduler.submit({{1}, endless()});
  ASSERT_TRUE(running->next(kLong).has_value());
  const auto first = scheduler.submit({{2}, greedy(1)}), second = scheduler.submit({{3}, greedy(1)});
  EXPECT_THROW(scheduler.submit({{4}, greedy(1)}), QueueFull);
  first->cancel();
  const auto third = scheduler.submit({{4}, greedy(1)});
  running->cancel();
  EXPECT_EQ(collect(*first)[0].reason, StopReason::cancelled);
  EXPECT_EQ(collect(*second)[0].tokens.size(), 1u);
  EXPECT_EQ(collect(*third)[0].tokens.size(), 1u);
}

TEST(Scheduler, WaitsForMemoryAndNeverRunsOut) {
  const TinyModel model({.context = kEndless});
  auto engine = load(model, kEndless), reference = load(model);
  // Each may grow to 4 blocks, so that two of the 9 run together, whatever they have at first, beside one
  // that runs all the time.
  Scheduler scheduler(*engine,
                      {.max_sequences = 8, .cache_bytes = cache_blocks(*engine, kEndlessBlocks + 9)});
  const auto running = scheduler.submit({{1}, endless()});
  std::vector<std::shared_ptr<RequestHandle>> handles;
  for (int32_t i = 0; i < 8; ++i) handles.push_back(scheduler.submit({{i, i + 1}, greedy(250)}));
  uint32_t most = 0;
  for (int32_t i = 0; i < 8; ++i) {
    const auto ids =
        collect(*handles[size_t(i)], 1, [&] { most = std::max(most, scheduler.status().sequences); })[0]
            .ids();
    EXPECT_EQ(ids, reference->generate(std::vector<int32_t>{i, i + 1}, greedy(250)).tokens);
  }
  EXPECT_GT(most, 0u);
  EXPECT_LE(most, 3u);
}

std::unique_ptr<Engine> load_with_draft(const TinyModel& model, const TinyModel& draft,
                                        uint32_t context = 0) {
  Progress::set_quiet(true);
  EngineOptions options{.threads = 2, .context = context};
  options.draft_model = draft.path();
  return Engine::load(model.path(), options);
}

/// More answers than fit, each with a draft model's keys and values beside its own.
TEST(Scheduler, DraftsStayWithinTheCachesMemory) {
  const TinyModel model({.context = kEndless}), draft({.seed = 2, .context = kEndless});
  auto engine = load_with_draft(model, draft, kEndless), reference = load(model);
  const uint64_t blocks = cache_blocks(*engine, kEndlessBlocks + 9);
  const uint64_t bound = 2 * blocks;  // the draft model has the same shape
  Scheduler scheduler(*engine, {.max_sequences = 8, .cache_bytes = bound});
  GenerateParams params = greedy(250);
  GenerateParams long_params = endless();
  params.speculation = long_params.speculation = Speculation::always;
  const auto running = scheduler.submit({{1}, long_params});  // one that runs all the time
  std::vector<std::shared_ptr<RequestHandle>> handles;
  for (int32_t i = 0; i < 8; ++i) handles.push_back(scheduler.submit({{i, i + 1}, params}));
  uint64_t most = 0;
  uint32_t drafted = 0;
  for (int32_t i = 0; i < 8; ++i) {
    const auto ids = collect(*handles[size_t(i)], 1,
                             [&] { most = std::max(most, scheduler.status().draft_cache_used_bytes); })[0]
                         .ids();
    EXPECT_EQ(ids, reference->generate(std::vector<int32_t>{i, i + 1}, greedy(250)).tokens);
    drafted += handles[size_t(i)]->usage().drafted;
  }
  EXPECT_GT(drafted, 0u);
  running->cancel();
  wait_until([&] { return scheduler.status().active == 0; });
  const SchedulerStatus status = scheduler.status();
  EXPECT_GT(most, 0u);
  EXPECT_LE(most, status.draft_cache_bytes);
  EXPECT_EQ(status.draft_cache_bytes, blocks);
  EXPECT_LE(status.cache_bytes + status.draft_cache_bytes, bound);
  EXPECT_EQ(status.draft_cache_used_bytes, 0u);
}

/// 63 blocks for the first choice and 17 for each other one are enough for the large model, as they share
/// their prompt; the draft model shares nothing, and has room for one of the four.
TEST(Scheduler, AnswersGoOnWithoutDraftsWhereTheirCacheIsFull) {
  const TinyModel model({.context = 4096}), draft({.seed = 2, .context = 4096});
  auto engine = load_with_draft(model, draft), reference = load(model);
  Scheduler scheduler(*engine, {.cache_bytes = 2 * cache_blocks(*engine, 63 + 3 * 17)});
  std::mt19937 random(8);
  const auto prompt = random_tokens(random, 3000);
  GenerateParams params = seeded(5, 1000);
  params.sampling.logit_bias = {{TinyModel::kEnd, -100.0f}};
  params.choices = 4;
  params.speculation = Speculation::always;
  auto handle = scheduler.submit({prompt, params});
  uint64_t used = 0;
  wait_until([&] {
    used = scheduler.status().draft_cache_used_bytes;
    // What a busy machine did not let this thread see is asked for again.
    if (handle->usage().completion_tokens == 4 * 1000) handle = scheduler.submit({prompt, params});
    return used > 0;
  });
  EXPECT_GE(used, cache_blocks(*engine, 47));
  EXPECT_LE(used, cache_blocks(*engine, 63));
  handle->cancel();
  const auto answers = collect(*handle, 4);
  params.choices = 1;
  params.speculation = Speculation::off;
  for (const Result& answer : answers) {
    ASSERT_FALSE(answer.tokens.empty());
    params.max_new_tokens = uint32_t(answer.tokens.size());
    EXPECT_EQ(answer.ids(), reference->generate(prompt, params).tokens);
    ++params.sampling.seed;
  }
  wait_until([&] { return scheduler.status().draft_cache_used_bytes == 0; });
}

/// What is cancelled gives its place back.
TEST(Scheduler, CancelledAnswersLeaveTheDraftCache) {
  const TinyModel model({.context = kEndless}), draft({.seed = 2, .context = 256});
  auto engine = load_with_draft(model, draft, kEndless);
  Scheduler scheduler(*engine);
  GenerateParams params = endless();
  params.speculation = Speculation::always;
  const auto handle = scheduler.submit({{1, 2, 3}, params});
  wait_until([&] { return scheduler.status().draft_cache_used_bytes > 0; });
  handle->cancel();
  EXPECT_EQ(collect(*handle)[0].reason, StopReason::cancelled);
  wait_until([&] { return scheduler.status().active == 0; });
  EXPECT_EQ(scheduler.status().draft_cache_used_bytes, 0u);
}

TEST(Scheduler, RefusesWhatCanNeverFit) {
  const TinyModel model({.context = 512});
  auto engine = load(model);
  Scheduler scheduler(*engine, {.max_sequences = 2, .cache_bytes = cache_blocks(*engine, 3)});
  const auto error = [&](std::vector<int32_t> prompt, const GenerateParams& params) {
    return error_of([&] { scheduler.submit({std::move(prompt), params}); });
  };
  GenerateParams params = greedy(10);
  params.choices = 3;
  EXPECT_THAT(error({1}, params), ::testing::AllOf(HasSubstr("3 answers"), HasSubstr("at most 2")));
  EXPECT_THAT(error({1}, greedy(200)), ::testing::AllOf(HasSubstr("256 tokens"), HasSubstr("has 192")));
  params.choices = 0;
  EXPECT_THAT(error({1}, params), HasSubstr("choices"));
  EXPECT_THAT(error({}, greedy(1)), HasSubstr("empty"));
  EXPECT_THAT(error({262}, greedy(1)), HasSubstr("262"));
  EXPECT_THAT(error(std::vector<int32_t>(512, 1), greedy(1)), HasSubstr("512 tokens"));
  params = greedy(1);
  params.top_logprobs = 21;
  EXPECT_THAT(error({1}, params), HasSubstr("top_logprobs is 21"));
  params = greedy(1);
  params.sampling.logit_bias = {{300, 1.0f}};
  EXPECT_THAT(error({1}, params), HasSubstr("300"));
  EXPECT_THAT(error_of([&] { Scheduler(*engine, {.cache_bytes = 10}); }), HasSubstr("--cache-memory"));
  EXPECT_THAT(error_of([&] { Scheduler(*engine, {.max_sequences = 0}); }), HasSubstr("--max-sequences"));
  EXPECT_EQ(ask(scheduler, {1}, greedy(10)).tokens.size(), 10u);
}

TEST(Scheduler, KeepsBeginningsAndForgetsTheOldest) {
  const TinyModel model({.context = 512});
  auto engine = load(model);
  // Room for three prompts of two blocks each.
  Scheduler scheduler(*engine, {.cache_bytes = cache_blocks(*engine, 6)});
  std::mt19937 random(3);
  std::vector<std::vector<int32_t>> prompts;
  for (int32_t i = 0; i < 4; ++i) {
    prompts.push_back(random_tokens(random, 100));
    prompts.back()[0] = i;  // so that they share nothing
  }
  const auto cached = [&](const std::vector<int32_t>& prompt) {
    const auto handle = scheduler.submit({prompt, greedy(20)});
    collect(*handle);
    return handle->usage().cached_tokens;
  };
  EXPECT_EQ(cached(prompts[0]), 0u);
  EXPECT_EQ(cached(prompts[1]), 0u);
  EXPECT_EQ(cached(prompts[0]), 99u);  // its last token is computed for its logits
  EXPECT_EQ(cached(prompts[2]), 0u);
  EXPECT_EQ(cached(prompts[3]), 0u);  // in the place of the second
  EXPECT_EQ(cached(prompts[0]), 99u);
  EXPECT_EQ(cached(prompts[1]), 0u);
  auto shares = prompts[1];
  shares[70] = (shares[70] + 1) % 256;
  EXPECT_EQ(cached(shares), 70u);
  EXPECT_EQ(scheduler.status().reused, 99u + 99 + 70);
}

TEST(Scheduler, PromptsThatComeTogetherAreComputedOnce) {
  const TinyModel model({.context = 4096});
  auto engine = load(model);
  Scheduler scheduler(*engine);
  std::mt19937 random(5);
  const auto common = random_tokens(random, 2000);
  std::vector<std::shared_ptr<RequestHandle>> handles;
  for (int32_t i = 0; i < 8; ++i) {
    auto prompt = common;
    prompt.push_back(i);
    handles.push_back(scheduler.submit({prompt, greedy(2)}));
  }
  for (const auto& handle : handles) collect(*handle);
  EXPECT_LT(scheduler.status().computed, 2u * common.size());
}

TEST(Scheduler, ChoicesShareTheirPromptAndAreIndependent) {
  const TinyModel model({.context = 512});
  auto engine = load(model), reference = load(model);
  Scheduler scheduler(*engine);
  std::mt19937 random(2);
  const auto prompt = random_tokens(random, 150);
  GenerateParams params = seeded(77, 30);
  params.choices = 3;
  params.speculation = Speculation::off;  // drafts that fail are computed too
  const auto handle = scheduler.submit({prompt, params});
  EXPECT_EQ(handle->seed(), 77u);
  const auto results = collect(*handle, 3);
  size_t tokens = 0, decoded = 0;
  for (uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(results[i].ids(), reference->generate(prompt, seeded(77 + i, 30)).tokens);
    tokens += results[i].tokens.size();
    decoded += results[i].tokens.size() - 1;
  }
  EXPECT_NE(results[0].ids(), results[1].ids());
  EXPECT_EQ(handle->usage().completion_tokens, tokens);
  wait_until([&] { return scheduler.status().active == 0; });
  EXPECT_EQ(scheduler.status().computed, prompt.size() + decoded);
  EXPECT_EQ(scheduler.status().generated, tokens);
}

/// Each token's log-probability, and its place among the most probable ones, by Engine::score.
void expect_logprobs_of_score(Engine& reference, std::span<const TokenLogprob> tokens, size_t top) {
  ScoreRequest score{{tokens[0].id}, {{}}};
  for (size_t i = 1; i < tokens.size(); ++i) score.continuations[0].push_back(tokens[i].id);
  const auto scores = reference.score(std::span(&score, 1))[0][0];
  for (size_t i = 1; i < tokens.size(); ++i) {
    const TokenLogprob& token = tokens[i];
    EXPECT_EQ(token.logprob, float(scores[i - 1].log_probability));
    ASSERT_EQ(token.top.size(), top);
    for (size_t k = 1; k < top; ++k) EXPECT_LE(token.top[k].second, token.top[k - 1].second);
    EXPECT_EQ(token.top[0].first == token.id, scores[i - 1].greedy);
    const auto has = std::find_if(token.top.begin(), token.top.end(),
                                  [&](const auto& entry) { return entry.first == token.id; });
    if (has != token.top.end()) {
      EXPECT_EQ(has->second, token.logprob);
    } else {
      EXPECT_LE(token.logprob, token.top.back().second);
    }
  }
}

TEST(Scheduler, LogprobsAreThoseOfScore) {
  const TinyModel model({.context = 512});
  auto engine = load(model), reference = load(model);
  Scheduler scheduler(*engine);
  std::mt19937 random(6);
  const auto prompt = random_tokens(random, 200);
  GenerateParams params = seeded(5, 20);
  params.top_logprobs = 4;
  params.prompt_logprobs = true;
  params.sampling.repetition_penalty = 1.5f;  // changes the answer, not what the model thinks of it
  ask(scheduler, prompt, greedy(1));          // what is cached has no logits
  const auto handle = scheduler.submit({prompt, params});
  const Result result = collect(*handle)[0];

  std::vector<TokenLogprob> tokens(handle->prompt_logprobs().begin(), handle->prompt_logprobs().end());
  ASSERT_EQ(tokens.size(), prompt.size());
  tokens.insert(tokens.end(), result.tokens.begin(), result.tokens.end());
  for (size_t i = 0; i < prompt.size(); ++i) EXPECT_EQ(tokens[i].id, prompt[i]);
  expect_logprobs_of_score(*reference, tokens, 4);
}

/// With groups, whose beams meet and part, with penalties, which change the scores that beams are ranked by,
/// and with answers that end early.
TEST(Scheduler, LogprobsOfBeamsAreThoseOfScore) {
  const TinyModel model({.context = 512});
  auto engine = load(model), reference = load(model);
  Scheduler scheduler(*engine);
  std::mt19937 random(9);
  const auto prompt = random_tokens(random, 70);
  GenerateParams params = greedy(15);
  params.top_logprobs = 3;
  params.prompt_logprobs = true;
  params.sampling.repetition_penalty = 1.3f;
  params.sampling.logit_bias = {{TinyModel::kEnd, 2.0f}};
  for (const uint32_t groups : {1, 3}) {
    params.beams = {.num_beams = 6, .num_beam_groups = groups, .num_return_sequences = 6};
    if (groups > 1) params.beams.diversity_penalty = 0.2f;
    const auto handle = scheduler.submit({prompt, params});
    const auto answers = collect(*handle, 6);
    for (const Result& answer : answers) {
      std::vector<TokenLogprob> tokens(handle->prompt_logprobs().begin(), handle->prompt_logprobs().end());
      ASSERT_EQ(tokens.size(), prompt.size());
      tokens.insert(tokens.end(), answer.tokens.begin(), answer.tokens.end());
      expect_logprobs_of_score(*reference, tokens, 3);
    }
  }
}

/// Answers that a search has when it is cancelled have theirs too.
TEST(Scheduler, CancelledBeamsHaveLogprobs) {
  const TinyModel model({.context = kEndless});
  auto engine = load(model, kEndless), reference = load(model, kEndless);
  Scheduler scheduler(*engine);
  GenerateParams params = endless();
  params.top_logprobs = 1;
  params.beams = {.num_beams = 3, .num_return_sequences = 3};
  const auto handle = scheduler.submit({{1, 2}, params});
  wait_until([&] { return scheduler.status().computed > 30; });
  handle->cancel();
  for (const Result& answer : collect(*handle, 3)) {
    EXPECT_EQ(answer.reason, StopReason::cancelled);
    ASSERT_FALSE(answer.tokens.empty());
    const std::vector<ScoreRequest> score = {{{1, 2}, {answer.ids()}}};
    const auto scores = reference->score(score)[0][0];
    for (size_t i = 0; i < answer.tokens.size(); ++i) {
      EXPECT_EQ(answer.tokens[i].logprob, float(scores[i].log_probability));
    }
  }
}

TEST(Scheduler, ScoresAPromptWithoutAnAnswer) {
  const TinyModel model;
  auto engine = load(model);
  Scheduler scheduler(*engine);
  GenerateParams params = greedy(0);
  params.prompt_logprobs = true;
  const auto handle = scheduler.submit({{1, 2, 3}, params});
  const Result result = collect(*handle)[0];
  EXPECT_EQ(result.reason, StopReason::max_new_tokens);
  EXPECT_TRUE(result.tokens.empty());
  EXPECT_EQ(handle->prompt_logprobs().size(), 3u);
}

TEST(Scheduler, EmbedsTheMeanOfTheHiddenStates) {
  const TinyModel model({.context = 512});
  auto engine = load(model);
  std::mt19937 random(7);
  const auto text = random_tokens(random, 300);
  std::vector<double> sum(32);
  ThreadPool pool(1);
  Forward forward(Model::load(Checkpoint::open(model.path()), pool), pool);
  KvCache cache(forward.model().config(), 1, 300);
  for (const int32_t id : text) {
    const BatchToken token{id, 0, false, true};
    forward.run(
        std::span(&token, 1), cache, [](std::span<const float>) {},
        [&](std::span<const float> hidden) {
          ASSERT_EQ(hidden.size(), sum.size());
          for (size_t i = 0; i < sum.size(); ++i) sum[i] += double(hidden[i]);
        });
  }
  double squares = 0;
  for (const double x : sum) squares += x * x;

  Scheduler scheduler(*engine);
  const auto running = scheduler.submit({{1}, greedy(400)});
  const auto embedding = scheduler.embed(text);
  ASSERT_EQ(embedding.size(), sum.size());
  for (size_t i = 0; i < sum.size(); ++i) EXPECT_EQ(embedding[i], float(sum[i] / std::sqrt(squares)));
  EXPECT_THAT(error_of([&] { scheduler.embed({}); }), HasSubstr("empty"));
  EXPECT_THAT(error_of([&] { scheduler.embed(std::vector<int32_t>(513, 1)); }), HasSubstr("513"));
}

TEST(Scheduler, DrainsAndStops) {
  const TinyModel model({.context = kEndless});
  auto engine = load(model, kEndless);
  std::shared_ptr<RequestHandle> left, waiting;
  {
    Scheduler scheduler(*engine, {.max_sequences = 1});
    const auto first = scheduler.submit({{1}, greedy(50)}), second = scheduler.submit({{2}, greedy(50)});
    scheduler.drain();
    EXPECT_EQ(collect(*first)[0].tokens.size(), 50u);
    EXPECT_EQ(collect(*second)[0].tokens.size(), 50u);
    EXPECT_THAT(error_of([&] { scheduler.submit({{1}, greedy(1)}); }), HasSubstr("shut down"));
  }
  {
    Scheduler scheduler(*engine, {.max_sequences = 1});
    left = scheduler.submit({{1}, endless()});
    waiting = scheduler.submit({{2}, endless()});
  }
  EXPECT_EQ(collect(*left)[0].reason, StopReason::cancelled);
  EXPECT_EQ(collect(*waiting)[0].reason, StopReason::cancelled);
}

}  // namespace
}  // namespace nibble
