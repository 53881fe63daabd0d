#pragma once

#include <vector>

#include "engine/answer.h"
#include "engine/sequence_decoder.h"
#include "sampling/sampler.h"

namespace nibble {

/// One answer, token by token: sampled, or greedy.
class SamplingDecoder : public SequenceDecoder {
 public:
  /// Throws Error for parameters out of their range.
  SamplingDecoder(Answer answer, const SamplingParams& params, int top_logprobs);
  uint64_t seed() const { return sampler_.seed(); }

  void begin(std::span<const uint32_t> sequences) override { sequence_ = sequences[0]; }
  void plan(std::vector<BatchToken>& batch) override;
  void consume(std::span<float> logits, size_t vocab) override;
  bool ended() const override { return answer_.ended(); }
  void cancel() override { answer_.end(StopReason::cancelled); }
  void take_pieces(std::vector<AnswerPiece>& pieces) override;

 private:
  Answer answer_;
  Sampler sampler_;
  int top_logprobs_;
  uint32_t sequence_ = 0;
  std::vector<float> raw_;  ///< [vocab], the logits before sampling changed them
};

}  // namespace nibble
