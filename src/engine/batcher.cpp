#include "engine/batcher.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "engine/common_prefix.h"

namespace nibble {

namespace {

/// How long a step may take when it computes prompts: with others, so that their text keeps flowing, and for
/// one alone, so that it can be cancelled. And the fewest tokens of prompts in a step, for which reading the
/// weights pays: many tokens share the read.
constexpr double kSharedSeconds = 0.25, kAloneSeconds = 1;
constexpr size_t kSharedLeast = 16, kAloneLeast = 128;

/// A prompt waits for another one that has begun to compute the same if that saves so many tokens.
constexpr size_t kWorthWaiting = 32;

}  // namespace

Batcher::Batcher(Engine::Impl& engine, uint32_t running, uint32_t blocks)
    : engine_(engine), pool_(engine.forward, running, engine.context, blocks, engine.kv_type) {
  if (!engine.draft) return;
  const uint32_t capacity = std::min(engine.context, engine.draft->model().config().context_length);
  const uint64_t most = running * kv_blocks(capacity);
  drafts_ = std::make_unique<DraftPool>(*engine.draft, engine.model->config().vocab, running, capacity,
                                        uint32_t(std::min<uint64_t>(blocks, most)), engine.kv_type);
}

void Batcher::add(RunningRequest& request) {
  request.admit(pool_);
  reused_ += request.usage().cached_tokens;
  requests_.push_back(&request);
}

void Batcher::cancel(RunningRequest& request) {
  if (std::erase(requests_, &request) > 0) request.cancel(pool_);
}

void Batcher::step() {
  if (requests_.empty()) return;
  batch_.clear();
  rows_.clear();
  hidden_.clear();
  complete_.clear();
  shares_.clear();
  logit_rows_ = 0;
  plan_answers();
  const size_t answers = batch_.size();
  plan_prompts();
  const auto start = std::chrono::steady_clock::now();
  run();
  for (RunningRequest* request : complete_) request->begin_answers(pool_, drafts_.get());
  consume();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (batch_.size() == answers) {
    engine_.step_times->record(answers, seconds);
  } else {
    tokens_per_s_ = double(batch_.size()) / std::max(seconds, 1e-4);
  }
  settle();
}

void Batcher::plan_answers() {
  for (RunningRequest* request : requests_) {
    if (request->in_prompt()) continue;
    for (const auto& decoder : request->decoders()) {
      if (decoder->ended()) continue;
      const size_t begin = batch_.size(), first = rows_.size();
      decoder->plan(batch_);
      for (size_t i = begin; i < batch_.size(); ++i) {
        if (batch_[i].wants_logits) rows_.push_back({request, kNone, logit_rows_++, 1});
      }
      shares_.push_back({request, decoder.get(), first, rows_.size() - first});
    }
  }
}

std::vector<RunningRequest*> Batcher::next_prompts() {
  std::vector<RunningRequest*> all, next;
  for (RunningRequest* request : requests_) {
    if (!request->in_prompt()) continue;
    bool waits = false;
    if (request->demand().reuses) {
      const uint32_t before = request->usage().cached_tokens;
      request->reuse(pool_);
      reused_ += request->usage().cached_tokens - before;
      const auto begin = std::span(request->prompt()).first(request->prompt().size() - 1);
      const size_t known = pool_.tokens(request->sequence()).size();
      waits = begin.size() < pool_.longest_shared() &&
              std::any_of(all.begin(), all.end(), [&](const RunningRequest* earlier) {
                return common_prefix(earlier->prompt(), begin) >= known + kWorthWaiting;
              });
    }
    all.push_back(request);
    if (!waits) next.push_back(request);
  }
  return next;
}

size_t Batcher::prompt_tokens(size_t prompts) const {
  const bool alone = batch_.empty() && prompts == 1;
  const size_t least = alone ? kAloneLeast : kSharedLeast;
  const auto tokens =
      std::min(size_t(tokens_per_s_ * (alone ? kAloneSeconds : kSharedSeconds)), Forward::kMaxSlice);
  return std::max(least, tokens - std::min(tokens, batch_.size()));
}

void Batcher::plan_prompts() {
  std::vector<RunningRequest*> prompts = next_prompts();
  if (prompts.empty()) return;
  size_t budget = prompt_tokens(prompts.size());
  // Half for the one that came first, so that none waits for ever; then the shortest, which soon begin.
  std::vector<size_t> tokens(prompts.size(), 0);
  const auto give = [&](size_t i, size_t most) {
    const size_t n = std::min({most, budget, prompts[i]->remaining(pool_) - tokens[i]});
    tokens[i] += n;
    budget -= n;
  };
  give(0, (budget + 1) / 2);
  std::vector<size_t> order(prompts.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return prompts[a]->remaining(pool_) < prompts[b]->remaining(pool_);
  });
  for (const size_t i : order) give(i, budget);
  for (size_t i = 0; i < prompts.size(); ++i) {
    const bool at_once = prompts[i]->prompt().size() > pool_.longest_shared();
    if (tokens[i] > 0) plan_prompt(*prompts[i], at_once ? prompts[i]->remaining(pool_) : tokens[i]);
  }
}

void Batcher::plan_prompt(RunningRequest& request, size_t tokens) {
  const size_t begin = pool_.tokens(request.sequence()).size();
  for (size_t position = begin; position < begin + tokens; ++position) {
    const BatchToken token = request.prompt_token(position);
    batch_.push_back(token);
    if (token.wants_hidden) hidden_.push_back(&request);
    const bool last = position + 1 == request.prompt().size();
    if (last) complete_.push_back(&request);
    if (!token.wants_logits) continue;
    if (!last) {
      rows_.push_back({&request, position, 0, 0});
      continue;
    }
    const auto decoders = request.decoders();
    for (size_t i = 0; i < decoders.size(); ++i) {
      shares_.push_back({&request, decoders[i].get(), rows_.size(), 1, i});
    }
    rows_.push_back({&request, kNone, logit_rows_, decoders.size()});
    logit_rows_ += decoders.size();
  }
}

void Batcher::run() {
  const size_t vocab = engine_.model->config().vocab, hidden = engine_.model->config().hidden;
  size_t next_row = 0, next_hidden = 0;
  pool_.run(
      batch_,
      [&](std::span<float> logits) {
        const size_t count = logits.size() / vocab;
        take_logits(logits, std::span(rows_).subspan(next_row, count));
        next_row += count;
      },
      [&](std::span<const float> rows) {
        for (; !rows.empty(); rows = rows.subspan(hidden)) {
          hidden_[next_hidden++]->take_hidden(rows.first(hidden));
        }
      });
  computed_ += batch_.size();
}

void Batcher::take_logits(std::span<float> logits, std::span<const Row> rows) {
  const size_t vocab = engine_.model->config().vocab;
  const bool all = rows.size() == rows_.size();
  in_place_ = all ? logits : std::span<float>();
  const bool copied = !all || std::ranges::any_of(rows, [](const Row& row) { return row.decoders > 1; });
  if (copied && logits_.size() < logit_rows_ * vocab) logits_.resize(logit_rows_ * vocab);
  engine_.pool.parallel_for(rows.size(), 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const Row& row = rows[i];
      const auto from = logits.subspan(i * vocab, vocab);
      for (size_t copy = all ? 1 : 0; copy < row.decoders; ++copy) {
        std::memcpy(&logits_[(row.first + copy) * vocab], from.data(), vocab * sizeof(float));
      }
      if (row.prompt_position == kNone) continue;
      try {
        row.request->take_prompt_logits(row.prompt_position, from);
      } catch (...) {
        const std::lock_guard lock(failing_);
        row.request->set_error(std::current_exception());
      }
    }
  });
}

std::span<float> Batcher::logits_of(const Share& share) {
  const size_t vocab = engine_.model->config().vocab;
  if (share.copy == 0 && !in_place_.empty()) return in_place_.subspan(share.row * vocab, share.count * vocab);
  return std::span(logits_).subspan((rows_[share.row].first + share.copy) * vocab, share.count * vocab);
}

void Batcher::consume() {
  const size_t vocab = engine_.model->config().vocab;
  engine_.pool.parallel_for(shares_.size(), 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const Share& share = shares_[i];
      try {
        share.decoder->consume(logits_of(share), vocab);
      } catch (...) {
        const std::lock_guard lock(failing_);
        share.request->set_error(std::current_exception());
      }
    }
  });
}

void Batcher::settle() {
  for (RunningRequest* request : requests_) {
    const uint32_t before = request->usage().completion_tokens;
    request->settle(pool_);
    generated_ += request->usage().completion_tokens - before;
  }
  std::erase_if(requests_, [](const RunningRequest* request) { return request->ended(); });
}

}  // namespace nibble
