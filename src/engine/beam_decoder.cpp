#include "engine/beam_decoder.h"

#include <algorithm>
#include <utility>

#include "sampling/sampler.h"

namespace nibble {

namespace {

size_t end_tokens(const Tokenizer* tokenizer) {
  if (tokenizer == nullptr) return 0;
  size_t count = 0;
  for (size_t id = 0; id < tokenizer->size(); ++id) count += tokenizer->ends_answer(int32_t(id));
  return count;
}

BeamSearch make_search(size_t prompt, const AnswerLimits& limits, const GenerateParams& params,
                       uint64_t drawn_seed) {
  const auto most = uint32_t(std::min<size_t>(params.max_new_tokens, limits.context - prompt));
  std::optional<uint64_t> seed;
  if (!params.sampling.greedy) seed = drawn_seed;
  return {params.beams, most, end_tokens(limits.tokenizer), seed};
}

}  // namespace

BeamDecoder::BeamDecoder(std::span<const int32_t> prompt, const AnswerLimits& limits,
                         const GenerateParams& params)
    : params_(params),
      seed_(params.sampling.greedy ? 0 : Sampler(params.sampling).seed()),
      limits_{limits.tokenizer, limits.context, limits.max_new_tokens, params_.stop},
      prompt_(prompt.begin(), prompt.end()),
      search_(make_search(prompt.size(), limits, params, seed_)) {
  if (params_.grammar) grammars_.emplace_back(params_.grammar);
}

void BeamDecoder::plan(std::vector<BatchToken>& batch) {
  for (size_t i = 0; i < search_.beams().size(); ++i) {
    batch.push_back({search_.beams()[i].tokens.back(), sequences_[i], true});
  }
}

bool BeamDecoder::ends(const Beam& beam, int32_t token) const {
  const Tokenizer* tokenizer = limits_.tokenizer;
  if (tokenizer == nullptr) return false;
  return tokenizer->ends_answer(token) || (!limits_.stop.empty() && ends_in_stop_string(beam, token));
}

bool BeamDecoder::ends_in_stop_string(const Beam& beam, int32_t token) const {
  TextStream text(limits_.tokenizer, prompt_.back(), limits_.stop);
  for (const int32_t id : beam.tokens) text.add(id);
  text.add(token);
  return text.stopped();
}

void BeamDecoder::consume(std::span<float> logits, size_t vocab) {
  const auto beams = search_.beams();
  std::vector<int32_t> history = prompt_;
  for (size_t i = 0; i < beams.size(); ++i) {
    history.resize(prompt_.size());
    history.insert(history.end(), beams[i].tokens.begin(), beams[i].tokens.end());
    TokenContext context{history, prompt_.size()};
    if (!grammars_.empty()) context.allowed = grammars_[i].allowed();
    to_log_probabilities(params_.sampling, logits.subspan(i * vocab, vocab), context);
  }
  search_.advance(logits, vocab, [&](const Beam& beam, int32_t token) { return ends(beam, token); });
  if (!grammars_.empty()) {
    std::vector<GrammarState> next;
    for (const Beam& beam : search_.beams()) {
      next.push_back(grammars_[beam.parent]);
      next.back().accept(beam.tokens.back());
    }
    grammars_ = std::move(next);
  }
  if (search_.done()) finish(StopReason::max_new_tokens);
}

/// The first beam of each parent takes over its sequence, the others get those of parents that nobody goes
/// on from.
void BeamDecoder::settle(SequencePool& pool) {
  if (ended_) return;
  const auto beams = search_.beams();
  std::vector<uint32_t> next(beams.size()), spare = sequences_;
  std::vector<bool> taken(sequences_.size()), copies(beams.size());
  for (size_t i = 0; i < beams.size(); ++i) {
    const uint32_t parent = beams[i].parent;
    copies[i] = taken[parent];
    taken[parent] = true;
    next[i] = sequences_[parent];
  }
  std::erase_if(spare, [&](uint32_t sequence) { return std::ranges::count(next, sequence) > 0; });
  for (size_t i = 0; i < beams.size(); ++i) {
    if (!copies[i]) continue;
    const uint32_t from = std::exchange(next[i], spare.back());
    spare.pop_back();
    pool.replace(next[i], from);
  }
  next.insert(next.end(), spare.begin(), spare.end());
  sequences_ = std::move(next);
}

void BeamDecoder::finish(StopReason reason) {
  if (std::exchange(ended_, true)) return;
  for (const BeamAnswer& found : search_.answers()) {
    Answer answer(uint32_t(pieces_.size()), prompt_, limits_);
    for (const int32_t token : found.tokens) answer.add({token, 0, {}});
    answer.end(reason);
    pieces_.push_back(*answer.take_piece());
    pieces_.back().score = found.score;
  }
  if (pieces_.empty()) pieces_.push_back({.choice = 0, .reason = reason});
}

void BeamDecoder::take_pieces(std::vector<AnswerPiece>& pieces) {
  std::ranges::move(std::exchange(pieces_, {}), std::back_inserter(pieces));
}

}  // namespace nibble
