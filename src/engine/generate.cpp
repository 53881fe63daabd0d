#include <algorithm>

#include "engine/batcher.h"

namespace nibble {

std::string_view stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::end_of_turn:
      return "end_of_turn";
    case StopReason::stop_string:
      return "stop_string";
    case StopReason::max_new_tokens:
      return "max_new_tokens";
    case StopReason::context_full:
      return "context_full";
    case StopReason::cancelled:
      return "cancelled";
  }
  return "unknown";
}

double Generation::prefill_tokens_per_s() const {
  return prefill_s > 0 ? (prompt_tokens - cached_tokens) / prefill_s : 0;
}

double Generation::decode_tokens_per_s() const {
  return decode_s > 0 && tokens.size() > 1 ? double(tokens.size() - 1) / decode_s : 0;
}

std::vector<Generation> Engine::generate_choices(std::span<const int32_t> prompt,
                                                 const GenerateParams& params,
                                                 const std::function<bool(std::string_view)>& on_text) {
  RunningRequest request(*impl_, {{prompt.begin(), prompt.end()}, params});
  Batcher& batcher = impl_->conversation(request.demand().sequences);
  std::vector<Generation> results;
  const auto take = [&](const AnswerPiece& piece) {
    if (results.size() <= piece.choice) results.resize(piece.choice + 1);
    Generation& result = results[piece.choice];
    for (const TokenLogprob& token : piece.tokens) result.tokens.push_back(token.id);
    result.text += piece.text;
    if (piece.reason) result.reason = *piece.reason;
    if (piece.score) result.score = piece.score;
  };
  batcher.add(request);
  try {
    while (!request.ended()) {
      batcher.step();
      std::string text;
      for (const AnswerPiece& piece : request.take_pieces()) {
        take(piece);
        if (piece.choice == 0) text += piece.text;
      }
      if (on_text && !request.error() && !on_text(text)) batcher.cancel(request);
    }
  } catch (...) {
    batcher.cancel(request);
    throw;
  }
  if (request.error()) std::rethrow_exception(request.error());
  for (const AnswerPiece& piece : request.take_pieces()) take(piece);
  const RequestUsage& usage = request.usage();
  for (size_t choice = 0; choice < results.size(); ++choice) {
    Generation& result = results[choice];
    if (request.seed() != 0) result.seed = request.seed() + (params.beams.searches() ? 0 : choice);
    result.prompt_tokens = usage.prompt_tokens;
    result.cached_tokens = usage.cached_tokens;
    result.drafted = usage.drafted;
    result.accepted = usage.accepted;
    result.prefill_s = usage.prefill_s;
    result.decode_s = usage.decode_s;
  }
  return results;
}

Generation Engine::generate(std::span<const int32_t> prompt, const GenerateParams& params,
                            const std::function<bool(std::string_view)>& on_text) {
  return std::move(generate_choices(prompt, params, on_text).front());
}

}  // namespace nibble
