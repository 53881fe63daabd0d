#include "engine/beam_decoder.h"

#include <algorithm>
#include <utility>

#include "engine/token_logprob.h"
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
  if (params_.top_logprobs >= 0) keep_logprobs(logits.first(beams.size() * vocab), vocab);
  std::vector<int32_t> history = prompt_;
  for (size_t i = 0; i < beams.size(); ++i) {
    history.resize(prompt_.size());
    history.insert(history.end(), beams[i].tokens.begin(), beams[i].tokens.end());
    TokenContext context{history, prompt_.size()};
    if (!grammars_.empty()) context.allowed = grammars_[i].allowed();
    to_log_probabilities(params_.sampling, logits.subspan(i * vocab, vocab), context);
  }
  advance(logits, vocab);
  if (search_.done()) finish(StopReason::max_new_tokens);
}

void BeamDecoder::advance(std::span<const float> rows, size_t vocab) {
  search_.advance(rows, vocab, [&](const Beam& beam, int32_t token) {
    if (params_.top_logprobs >= 0) choose(beam, token);
    return ends(beam, token);
  });
  if (grammars_.empty()) return;
  std::vector<GrammarState> next;
  for (const Beam& beam : search_.beams()) {
    next.push_back(grammars_[beam.parent()]);
    next.back().accept(beam.tokens.back());
  }
  grammars_ = std::move(next);
}

void BeamDecoder::keep_logprobs(std::span<const float> logits, size_t vocab) {
  raw_.assign(logits.begin(), logits.end());
  normalizers_.clear();
  auto& step = logprobs_.emplace_back();
  for (size_t begin = 0; begin < logits.size(); begin += vocab) {
    const auto row = logits.subspan(begin, vocab);
    const LogSoftmax& normalizer = normalizers_.emplace_back(row);
    step.push_back({{}, most_probable(row, normalizer, params_.top_logprobs)});
  }
}

void BeamDecoder::choose(const Beam& beam, int32_t token) {
  const auto row = size_t(&beam - search_.beams().data());
  const size_t vocab = raw_.size() / normalizers_.size();
  auto& chosen = logprobs_.back()[row].chosen;
  const auto is_token = [&](const auto& entry) { return entry.first == token; };
  if (std::ranges::any_of(chosen, is_token)) return;  // by an earlier group
  chosen.emplace_back(token,
                      logprob_of(std::span(raw_).subspan(row * vocab, vocab), normalizers_[row], token));
}

TokenLogprob BeamDecoder::logprob(const BeamAnswer& answer, size_t position) const {
  const int32_t token = answer.tokens[position];
  if (params_.top_logprobs < 0) return {token, 0, {}};
  const RowLogprobs& row = logprobs_[position][answer.rows[position]];
  const auto chosen =
      std::ranges::find_if(row.chosen, [&](const auto& entry) { return entry.first == token; });
  return {token, chosen->second, row.top};
}

/// The first beam of each parent takes over its sequence, the others get those of parents that nobody goes
/// on from.
void BeamDecoder::settle(SequencePool& pool) {
  if (ended_) return;
  const auto beams = search_.beams();
  std::vector<uint32_t> next(beams.size()), spare = sequences_;
  std::vector<bool> taken(sequences_.size()), copies(beams.size());
  for (size_t i = 0; i < beams.size(); ++i) {
    const uint32_t parent = beams[i].parent();
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
    for (size_t i = 0; i < found.tokens.size(); ++i) answer.add(logprob(found, i));
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
