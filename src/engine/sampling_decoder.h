#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "engine/answer.h"
#include "engine/sequence_decoder.h"
#include "engine/speculator.h"
#include "sampling/grammar/grammar.h"
#include "sampling/sampler.h"

namespace nibble {

/// One answer, token by token: sampled, or greedy; held to a grammar where there is one.
///
/// With a speculator a step checks guessed tokens too: each row is sampled as it would be without them, and
/// the rows after it count as long as what was sampled is what was guessed. So every answer, a random one of
/// a seed too, is the one without speculation.
class SamplingDecoder : public SequenceDecoder {
 public:
  /// `speculator`: none without speculation. Throws Error for parameters out of their range.
  SamplingDecoder(Answer answer, const GenerateParams& params, std::unique_ptr<Speculator> speculator = {});
  uint64_t seed() const { return sampler_.seed(); }

  void begin(std::span<const uint32_t> sequences, DraftPool* drafts) override;
  void plan(std::vector<BatchToken>& batch) override;
  void consume(std::span<float> logits, size_t vocab) override;
  void settle(SequencePool& pool) override;
  void leave() override;
  bool ended() const override { return answer_.ended(); }
  void cancel() override { answer_.end(StopReason::cancelled); }
  void take_pieces(std::vector<AnswerPiece>& pieces) override;
  void count_drafts(RequestUsage& usage) const override;

 private:
  /// Samples the next token from a row of logits [vocab].
  int32_t take(std::span<float> logits);
  /// How many of the tokens the grammar could take.
  size_t allowed_by_grammar(std::span<const int32_t> tokens) const;

  Answer answer_;
  Sampler sampler_;
  int top_logprobs_;
  std::optional<GrammarState> grammar_;
  std::unique_ptr<Speculator> speculator_;
  std::vector<int32_t> draft_;  ///< in the step at hand
  uint32_t sequence_ = 0, drafted_ = 0, accepted_ = 0;
  std::vector<float> raw_;  ///< [vocab], the logits before sampling changed them
};

}  // namespace nibble
