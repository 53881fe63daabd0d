#include "engine/sampling_decoder.h"

#include <utility>

#include "engine/token_logprob.h"

namespace nibble {

SamplingDecoder::SamplingDecoder(Answer answer, const SamplingParams& params, int top_logprobs)
    : answer_(std::move(answer)), sampler_(params), top_logprobs_(top_logprobs) {}

void SamplingDecoder::plan(std::vector<BatchToken>& batch) {
  batch.push_back({answer_.history().back(), sequence_, true});
}

void SamplingDecoder::consume(std::span<float> logits, size_t /*vocab*/) {
  if (answer_.room() == 0) return answer_.end(StopReason::max_new_tokens);
  if (top_logprobs_ >= 0) raw_.assign(logits.begin(), logits.end());
  const int32_t token = sampler_.sample(logits, {answer_.history(), answer_.prompt_tokens()});
  answer_.add(top_logprobs_ >= 0 ? token_logprob(raw_, token, top_logprobs_) : TokenLogprob{token, 0, {}});
}

void SamplingDecoder::take_pieces(std::vector<AnswerPiece>& pieces) {
  if (auto piece = answer_.take_piece()) pieces.push_back(*std::move(piece));
}

}  // namespace nibble
