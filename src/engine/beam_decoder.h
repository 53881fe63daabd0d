#pragma once

#include <utility>
#include <vector>

#include "engine/answer.h"
#include "engine/log_softmax.h"
#include "engine/sequence_decoder.h"
#include "sampling/beam_search.h"
#include "sampling/grammar/grammar.h"

namespace nibble {

/// The answers of a beam search: they come all at its end, best first. Each beam has a sequence of the cache;
/// beams that come from the same one share its blocks.
class BeamDecoder : public SequenceDecoder {
 public:
  BeamDecoder(std::span<const int32_t> prompt, const AnswerLimits& limits, const GenerateParams& params);

  uint64_t seed() const { return seed_; }  ///< 0: greedy

  uint32_t sequences() const override { return params_.beams.num_beams; }
  void begin(std::span<const uint32_t> sequences, DraftPool*) override {
    sequences_.assign(sequences.begin(), sequences.end());
  }
  void plan(std::vector<BatchToken>& batch) override;
  void consume(std::span<float> logits, size_t vocab) override;
  void settle(SequencePool& pool) override;
  bool ended() const override { return ended_; }
  void cancel() override { finish(StopReason::cancelled); }
  void take_pieces(std::vector<AnswerPiece>& pieces) override;

 private:
  /// What the model gave the tokens that were chosen from a row of logits, and its most probable ones.
  struct RowLogprobs {
    std::vector<std::pair<int32_t, float>> chosen, top;
  };

  void advance(std::span<const float> rows, size_t vocab);
  /// Before the parameters change the logits [beams, vocab].
  void keep_logprobs(std::span<const float> logits, size_t vocab);
  void choose(const Beam& beam, int32_t token);
  TokenLogprob logprob(const BeamAnswer& answer, size_t position) const;
  void finish(StopReason reason);
  bool ends(const Beam& beam, int32_t token) const;
  bool ends_in_stop_string(const Beam& beam, int32_t token) const;

  GenerateParams params_;
  uint64_t seed_;
  AnswerLimits limits_;
  std::vector<int32_t> prompt_;
  BeamSearch search_;
  std::vector<uint32_t> sequences_;     ///< [num_beams], in the order of the beams
  std::vector<GrammarState> grammars_;  ///< [beams]; none without a grammar
  // When log-probabilities are asked for.
  std::vector<std::vector<RowLogprobs>> logprobs_;  ///< [steps][beams of the step]
  std::vector<float> raw_;                          ///< [beams, vocab], of the step at hand
  std::vector<LogSoftmax> normalizers_;             ///< [beams]
  std::vector<AnswerPiece> pieces_;
  bool ended_ = false;
};

}  // namespace nibble
