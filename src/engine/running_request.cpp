#include "engine/running_request.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "engine/beam_decoder.h"
#include "engine/engine_impl.h"
#include "engine/sampling_decoder.h"
#include "engine/token_logprob.h"

namespace nibble {

namespace {

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void check_tokens(std::span<const int32_t> tokens, const Engine::Impl& engine) {
  const ModelConfig& config = engine.model->config();
  if (tokens.empty()) fail("the prompt is empty: give at least one token");
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && uint32_t(tokens[i]) < config.vocab) continue;
    fail("token {} at index {} of the prompt is outside the model's vocabulary of {} tokens", tokens[i], i,
         config.vocab);
  }
}

void check_params(const GenerateParams& params, const Engine::Impl& engine) {
  const uint32_t vocab = engine.model->config().vocab;
  if (params.choices == 0) fail("0 choices were asked for: ask for at least one");
  if (params.top_logprobs < -1 || params.top_logprobs > kMaxTopLogprobs) {
    fail("top_logprobs is {}, but must be from 0 to {}", params.top_logprobs, kMaxTopLogprobs);
  }
  for (const auto& [token, bias] : params.sampling.logit_bias) {
    if (token >= 0 && uint32_t(token) < vocab) continue;
    fail("logit_bias names token {}, which is outside the model's vocabulary of {} tokens", token, vocab);
  }
  params.sampling.check();
  params.beams.check(params.sampling);
  if (params.grammar && !engine.tokenizer) {
    fail("a grammar is about text, but this model has no tokenizer: leave the grammar out");
  }
  if (!params.beams.searches()) return;
  if (params.choices > 1) {
    fail("{} choices of a beam search were asked for: num_return_sequences says how many of its answers come",
         params.choices);
  }
}

/// None where it is off, or a longer sequence turns the positions of all its tokens.
std::unique_ptr<Speculator> make_speculator(const Engine::Impl& engine, const GenerateParams& params) {
  if (params.speculation == Speculation::off || engine.needs_one_pass(engine.context)) return nullptr;
  return std::make_unique<Speculator>(engine.step_times, params.speculation == Speculation::always);
}

std::vector<std::unique_ptr<SequenceDecoder>> make_decoders(const Engine::Impl& engine,
                                                            std::span<const int32_t> prompt,
                                                            const GenerateParams& params, uint64_t& seed) {
  std::vector<std::unique_ptr<SequenceDecoder>> decoders;
  const AnswerLimits limits{engine.tokenizer.get(), engine.context, params.max_new_tokens, params.stop};
  if (params.beams.searches()) {
    auto decoder = std::make_unique<BeamDecoder>(prompt, limits, params);
    seed = decoder->seed();
    decoders.push_back(std::move(decoder));
    return decoders;
  }
  GenerateParams own = params;
  for (uint32_t choice = 0; choice < params.choices; ++choice) {
    auto decoder = std::make_unique<SamplingDecoder>(Answer(choice, prompt, limits), own,
                                                     make_speculator(engine, params));
    own.sampling.seed = decoder->seed() + 1;
    if (choice == 0 && !own.sampling.greedy) seed = decoder->seed();
    decoders.push_back(std::move(decoder));
  }
  return decoders;
}

}  // namespace

RunningRequest::RunningRequest(const Engine::Impl& engine, Request request)
    : params_(std::move(request.params)), prompt_(std::move(request.prompt)) {
  check_tokens(prompt_, engine);
  if (prompt_.size() >= engine.context) {
    fail(
        "the prompt has {} tokens, but the context is {} for it and the answer: shorten it, or raise "
        "--context (this model allows {})",
        prompt_.size(), engine.context, engine.model->config().context_length);
  }
  check_params(params_, engine);
  decoders_ = make_decoders(engine, prompt_, params_, seed_);
  sequences_.resize(decoders_.size());
  demand_ = {0, uint32_t(prompt_.size()), 0, !params_.prompt_logprobs};
  for (const auto& decoder : decoders_) demand_.sequences += decoder->sequences();
  demand_.most_tokens = uint32_t(std::min<size_t>(prompt_.size() + params_.max_new_tokens, engine.context));
  usage_.prompt_tokens = demand_.prompt;
  if (params_.prompt_logprobs) {
    prompt_logprobs_.resize(prompt_.size());
    prompt_logprobs_[0].id = prompt_[0];
  }
}

RunningRequest::RunningRequest(const Engine::Impl& engine, std::vector<int32_t> tokens)
    : prompt_(std::move(tokens)), hidden_sum_(engine.model->config().hidden) {
  check_tokens(prompt_, engine);
  if (prompt_.size() > engine.context) {
    fail(
        "the text has {} tokens, but the context is {}: shorten it, or raise --context (this model allows "
        "{})",
        prompt_.size(), engine.context, engine.model->config().context_length);
  }
  const auto size = uint32_t(prompt_.size());
  demand_ = {1, size, size, false};
  usage_.prompt_tokens = size;
}

std::vector<float> RunningRequest::embedding() const {
  double squares = 0;
  for (const double x : hidden_sum_) squares += x * x;
  // The length of the mean is not needed: neither is the mean.
  const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
  std::vector<float> result(hidden_sum_.size());
  for (size_t i = 0; i < result.size(); ++i) result[i] = float(hidden_sum_[i] * scale);
  return result;
}

void RunningRequest::admit(SequencePool& pool) {
  sequence_ = pool.begin(demand_, prompt_);
  stage_ = Stage::prompt;
  admitted_ = Clock::now();
  usage_.queue_s = seconds(admitted_ - made_);
  usage_.cached_tokens = uint32_t(pool.tokens(sequence_).size());
}

void RunningRequest::reuse(SequencePool& pool) {
  const size_t before = pool.tokens(sequence_).size();
  pool.reuse(sequence_, prompt_);
  usage_.cached_tokens += uint32_t(pool.tokens(sequence_).size() - before);
}

BatchToken RunningRequest::prompt_token(size_t position) const {
  const bool last = position + 1 == prompt_.size();
  BatchToken token{prompt_[position], sequence_, false, !hidden_sum_.empty()};
  token.wants_logits = !token.wants_hidden && (last || params_.prompt_logprobs);
  return token;
}

void RunningRequest::take_prompt_logits(size_t position, std::span<const float> logits) {
  prompt_logprobs_[position + 1] = token_logprob(logits, prompt_[position + 1], params_.top_logprobs);
}

void RunningRequest::take_hidden(std::span<const float> hidden) {
  for (size_t i = 0; i < hidden.size(); ++i) hidden_sum_[i] += double(hidden[i]);
}

void RunningRequest::begin_answers(SequencePool& pool, DraftPool* drafts) {
  stage_ = Stage::answers;
  prompt_complete_ = true;
  if (decoders_.empty()) {
    // A text that was embedded is hardly the beginning of a prompt.
    pool.truncate(sequence_, 0);
    pool.end(sequence_);
  }
  for (size_t i = 0; i < decoders_.size(); ++i) {
    for (uint32_t n = 0; n < decoders_[i]->sequences(); ++n) {
      sequences_[i].push_back(i == 0 && n == 0 ? sequence_ : pool.fork(sequence_));
    }
    decoders_[i]->begin(sequences_[i], drafts);
  }
  first_token_ = Clock::now();
  usage_.prefill_s = seconds(first_token_ - admitted_);
}

void RunningRequest::collect_pieces() {
  const size_t known = pieces_.size();
  usage_.drafted = usage_.accepted = 0;
  for (const auto& decoder : decoders_) {
    decoder->take_pieces(pieces_);
    decoder->count_drafts(usage_);
  }
  for (size_t i = known; i < pieces_.size(); ++i) {
    usage_.completion_tokens += uint32_t(pieces_[i].tokens.size());
  }
}

void RunningRequest::settle(SequencePool& pool) {
  if (error_) return leave(pool);
  if (stage_ != Stage::answers) return;
  bool all_ended = true;
  for (size_t i = 0; i < decoders_.size(); ++i) {
    if (sequences_[i].empty()) continue;
    decoders_[i]->settle(pool);
    if (decoders_[i]->ended()) {
      leave(i, pool);
    } else {
      all_ended = false;
    }
  }
  collect_pieces();
  usage_.decode_s = seconds(Clock::now() - first_token_);
  if (all_ended) leave(pool);
}

void RunningRequest::leave(SequencePool& pool) {
  if (stage_ == Stage::prompt) pool.end(sequence_);
  for (size_t i = 0; i < decoders_.size(); ++i) leave(i, pool);
  stage_ = Stage::ended;
}

void RunningRequest::leave(size_t decoder, SequencePool& pool) {
  for (const uint32_t sequence : std::exchange(sequences_[decoder], {})) pool.end(sequence);
  decoders_[decoder]->leave();
}

void RunningRequest::cancel(SequencePool& pool) {
  leave(pool);
  cancel_waiting();
}

void RunningRequest::cancel_waiting() {
  for (const auto& decoder : decoders_) decoder->cancel();
  collect_pieces();
  stage_ = Stage::ended;
}

}  // namespace nibble
