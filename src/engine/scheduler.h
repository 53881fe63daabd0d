#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"

namespace nibble {

/// So many requests wait that no further one is taken: try again later.
class QueueFull : public Error {
 public:
  using Error::Error;
};

struct Request {
  std::vector<int32_t> prompt;  ///< at least one token
  GenerateParams params;
};

/// What one step gave one choice of a request.
struct AnswerPiece {
  uint32_t choice = 0;
  std::string text;                  ///< whole characters, nothing of a stop string; may be empty
  std::vector<TokenLogprob> tokens;  ///< chosen in this step; without logprobs only their ids count
  std::optional<StopReason> reason;  ///< set: this choice has ended
  std::optional<double> score;       ///< of a beam search's answer: sum of log-probabilities / length^penalty
};

struct RequestUsage {
  uint32_t prompt_tokens = 0, completion_tokens = 0;
  uint32_t cached_tokens = 0;                       ///< of the prompt, taken from what was computed before
  double queue_s = 0, prefill_s = 0, decode_s = 0;  ///< waiting; up to the first token; from there
  uint32_t drafted = 0, accepted = 0;               ///< tokens of speculation
};

/// A request that was submitted. Any thread may call, one at a time. Its end cancels the request.
class RequestHandle {
 public:
  struct State;
  explicit RequestHandle(std::shared_ptr<State> state);
  ~RequestHandle();
  RequestHandle(const RequestHandle&) = delete;
  RequestHandle& operator=(const RequestHandle&) = delete;

  /// The next piece; nothing when none comes in time, or done(). Throws Error when the request failed in
  /// the middle, as it does when the model's scores are not finite; it is done then.
  std::optional<AnswerPiece> next(std::chrono::milliseconds timeout);
  /// All choices have ended and every piece was taken.
  bool done() const;
  /// Gives the request's place free within one step; its choices end with StopReason::cancelled.
  void cancel();
  RequestUsage usage() const;
  /// One for each token of the prompt when the request asked for them, from the first piece on; the first
  /// token has none, 0 stands for it.
  std::span<const TokenLogprob> prompt_logprobs() const;
  /// What repeats the answer; 0 for greedy decoding.
  uint64_t seed() const;

 private:
  std::shared_ptr<State> state_;
};

struct SchedulerOptions {
  uint32_t max_sequences = 16;  ///< answers, choices and beams that are computed at the same time
  /// Of keys and values, running and kept for reuse, those of a draft model included. 0: room for
  /// max_sequences full contexts, at most half of the memory that is free, at least one context.
  uint64_t cache_bytes = 0;
  uint32_t max_queue = 256;  ///< requests that wait
};

struct SchedulerStatus {
  uint32_t active = 0, queued = 0;                             ///< requests
  uint32_t sequences = 0;                                      ///< answers, choices and beams being computed
  uint64_t cache_used_bytes = 0, cache_bytes = 0;              ///< running and kept; in all
  uint64_t draft_cache_used_bytes = 0, draft_cache_bytes = 0;  ///< of the draft model, beside these
  uint64_t computed = 0, generated = 0;  ///< tokens since the start: put through the model; chosen
  uint64_t reused = 0;                   ///< prompt tokens that were not computed again
};

/// Continuous batching (Yu et al. 2022, Orca): a thread of its own steps the model, and requests join and
/// leave between the steps. A step computes the next tokens of all running answers and a slice of the
/// prompts of new ones together, with one read of the weights. An answer does not depend on what else runs.
///
/// A request is admitted when the cache has room for all that it may become, so that no answer runs out of
/// memory; until then it waits. A draft model's cache has as many blocks as the large one's, so that answers
/// which share nothing have room for drafts; one that finds none there goes on without them. What was
/// computed is kept for later requests that begin with the same tokens, for as long as nobody needs its
/// memory; the least recently used goes first.
///
/// Any thread may call. While a scheduler exists, the engine's own generate, logits and score must not be
/// called; what only reads it (tokenizer, chat template, sizes) may be.
class Scheduler {
 public:
  /// Throws Error when the cache's memory can't be had or is less than one block.
  explicit Scheduler(Engine& engine, const SchedulerOptions& options = {});
  ~Scheduler();  ///< cancels what runs or waits
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Throws QueueFull, or Error for a request with wrong parameters or one that can never fit.
  std::shared_ptr<RequestHandle> submit(Request request);
  /// The mean of the last hidden states [hidden] (after the output norm), with Euclidean length 1. Waits for
  /// its turn. Throws as submit.
  std::vector<float> embed(std::vector<int32_t> tokens);
  SchedulerStatus status() const;
  /// Takes no more requests, and returns when all have ended.
  void drain();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nibble
