#include "engine/sampling_decoder.h"

#include <utility>

#include "engine/token_logprob.h"

namespace nibble {

SamplingDecoder::SamplingDecoder(Answer answer, const GenerateParams& params,
                                 std::unique_ptr<Speculator> speculator)
    : answer_(std::move(answer)),
      sampler_(params.sampling),
      top_logprobs_(params.top_logprobs),
      speculator_(std::move(speculator)) {
  if (params.grammar) grammar_.emplace(params.grammar);
}

void SamplingDecoder::begin(std::span<const uint32_t> sequences, DraftPool* drafts) {
  sequence_ = sequences[0];
  if (speculator_ && drafts)
    speculator_->use(drafts->take(uint32_t(answer_.history().size()) + answer_.room()));
}

void SamplingDecoder::plan(std::vector<BatchToken>& batch) {
  draft_.clear();
  if (speculator_) {
    const auto guess = speculator_->draft(answer_.history(), answer_.room() - 1, batch.size() + 1);
    draft_.assign(guess.begin(), guess.begin() + ptrdiff_t(allowed_by_grammar(guess)));
  }
  batch.push_back({answer_.history().back(), sequence_, true});
  for (const int32_t token : draft_) batch.push_back({token, sequence_, true});
  drafted_ += uint32_t(draft_.size());
}

size_t SamplingDecoder::allowed_by_grammar(std::span<const int32_t> tokens) const {
  if (!grammar_) return tokens.size();
  GrammarState state = *grammar_;
  size_t count = 0;
  while (count < tokens.size() && state.accept(tokens[count])) ++count;
  return count;
}

void SamplingDecoder::consume(std::span<float> logits, size_t vocab) {
  if (answer_.room() == 0) return answer_.end(StopReason::max_new_tokens);
  for (size_t row = 0;; ++row) {
    const int32_t token = take(logits.subspan(row * vocab, vocab));
    if (row == draft_.size() || token != draft_[row]) return;
    ++accepted_;
    if (answer_.ended()) return;
  }
}

int32_t SamplingDecoder::take(std::span<float> logits) {
  if (top_logprobs_ >= 0) raw_.assign(logits.begin(), logits.end());
  TokenContext context{answer_.history(), answer_.prompt_tokens()};
  if (grammar_) context.allowed = grammar_->allowed();
  const int32_t token = sampler_.sample(logits, context);
  if (grammar_) grammar_->accept(token);
  answer_.add(top_logprobs_ >= 0 ? token_logprob(raw_, token, top_logprobs_) : TokenLogprob{token, 0, {}});
  return token;
}

void SamplingDecoder::settle(SequencePool& pool) {
  // The last token was not computed yet, and what came behind a wrong guess is wrong.
  if (!draft_.empty()) pool.truncate(sequence_, uint32_t(answer_.history().size() - 1));
  if (speculator_) speculator_->learn(answer_.history());
}

void SamplingDecoder::leave() {
  if (speculator_) speculator_->use(nullptr);
}

void SamplingDecoder::take_pieces(std::vector<AnswerPiece>& pieces) {
  if (auto piece = answer_.take_piece()) pieces.push_back(*std::move(piece));
}

void SamplingDecoder::count_drafts(RequestUsage& usage) const {
  usage.drafted += drafted_;
  usage.accepted += accepted_;
}

}  // namespace nibble
