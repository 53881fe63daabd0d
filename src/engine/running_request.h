#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/scheduler.h"
#include "engine/sequence_decoder.h"
#include "engine/sequence_pool.h"

namespace nibble {

/// A request on its way from the queue through its prompt to the end of its answers. One thread at a time
/// works on it; Batcher drives it from its admission on.
class RunningRequest {
 public:
  /// Answers to a prompt. Throws Error for parameters out of their range, tokens outside of the vocabulary,
  /// and a prompt that is empty or leaves no room in the context.
  RunningRequest(const Engine::Impl& engine, Request request);
  /// The embedding of a text. Throws Error as the other.
  RunningRequest(const Engine::Impl& engine, std::vector<int32_t> tokens);

  const std::vector<int32_t>& prompt() const { return prompt_; }
  const CacheDemand& demand() const { return demand_; }
  uint64_t seed() const { return seed_; }  ///< of the first choice; 0: greedy
  const RequestUsage& usage() const { return usage_; }
  /// What came since the last call.
  std::vector<AnswerPiece> take_pieces() { return std::exchange(pieces_, {}); }
  /// The whole prompt was computed: what follows of it can be had.
  bool prompt_complete() const { return prompt_complete_; }
  const std::vector<TokenLogprob>& prompt_logprobs() const { return prompt_logprobs_; }
  std::vector<float> embedding() const;  ///< [hidden]
  /// It has left the cache: all answers are complete, it was cancelled, or it failed.
  bool ended() const { return stage_ == Stage::ended; }
  std::exception_ptr error() const { return error_; }

  // For Batcher.

  void admit(SequencePool& pool);
  bool in_prompt() const { return stage_ == Stage::prompt; }
  uint32_t sequence() const { return sequence_; }  ///< that the prompt is put into
  /// Tokens of the prompt that are to be computed.
  size_t remaining(const SequencePool& pool) const { return prompt_.size() - pool.tokens(sequence_).size(); }
  /// Takes from the cache what others computed since.
  void reuse(SequencePool& pool);
  /// The token at this position for a batch; its logits are wanted for prompt_logprobs, the last one's for
  /// the answers.
  BatchToken prompt_token(size_t position) const;
  void take_prompt_logits(size_t position, std::span<const float> logits);
  void take_hidden(std::span<const float> hidden);
  /// The whole prompt is in the cache: its answers begin.
  void begin_answers(SequencePool& pool, DraftPool* drafts);
  /// All of them, before and after begin_answers.
  std::span<const std::unique_ptr<SequenceDecoder>> decoders() const { return decoders_; }
  /// At the end of a step: answers that ended leave the cache.
  void settle(SequencePool& pool);
  /// In the next settle it ends with the error.
  void set_error(std::exception_ptr error) { error_ = std::move(error); }
  /// Its answers end now, wherever they are.
  void cancel(SequencePool& pool);
  /// The same for one that was not admitted yet.
  void cancel_waiting();

 private:
  using Clock = std::chrono::steady_clock;
  enum class Stage { waiting, prompt, answers, ended };

  void leave(SequencePool& pool);
  void leave(size_t decoder, SequencePool& pool);
  void collect_pieces();

  GenerateParams params_;
  std::vector<int32_t> prompt_;
  std::vector<std::unique_ptr<SequenceDecoder>> decoders_;
  CacheDemand demand_;
  uint64_t seed_ = 0;

  Stage stage_ = Stage::waiting;
  bool prompt_complete_ = false;
  uint32_t sequence_ = 0;
  std::vector<std::vector<uint32_t>> sequences_;  ///< of each decoder; none when it has ended
  std::vector<AnswerPiece> pieces_;
  std::vector<TokenLogprob> prompt_logprobs_;  ///< [prompt] when they are asked for
  std::vector<double> hidden_sum_;             ///< [hidden] of an embedding
  std::exception_ptr error_;
  RequestUsage usage_;
  Clock::time_point made_ = Clock::now(), admitted_, first_token_;
};

}  // namespace nibble
