#include "engine/answer.h"

#include <algorithm>
#include <utility>

namespace nibble {

Answer::Answer(uint32_t choice, std::span<const int32_t> prompt, const AnswerLimits& limits)
    : history_(prompt.begin(), prompt.end()),
      prompt_tokens_(prompt.size()),
      tokenizer_(limits.tokenizer),
      most_tokens_(std::min<size_t>(prompt.size() + limits.max_new_tokens, limits.context)),
      full_(most_tokens_ == prompt.size() + limits.max_new_tokens ? StopReason::max_new_tokens
                                                                  : StopReason::context_full),
      text_(limits.tokenizer, prompt.back(), limits.stop) {
  piece_.choice = choice;
}

uint32_t Answer::room() const {
  return ended() ? 0 : uint32_t(most_tokens_ - history_.size());
}

bool Answer::add(TokenLogprob token) {
  const int32_t id = token.id;
  history_.push_back(id);
  piece_.tokens.push_back(std::move(token));
  changed_ = true;
  if (tokenizer_ && tokenizer_->ends_answer(id)) {
    end(StopReason::end_of_turn);
  } else {
    piece_.text += text_.add(id);
    if (text_.stopped()) {
      end(StopReason::stop_string);
    } else if (history_.size() == most_tokens_) {
      end(full_);
    }
  }
  return !ended();
}

void Answer::end(StopReason reason) {
  if (ended()) return;
  if (reason != StopReason::cancelled) piece_.text += text_.finish();
  reason_ = text_.stopped() ? StopReason::stop_string : reason;
  piece_.reason = reason_;
  changed_ = true;
}

std::optional<AnswerPiece> Answer::take_piece() {
  if (!std::exchange(changed_, false)) return {};
  AnswerPiece next;
  next.choice = piece_.choice;
  return std::exchange(piece_, std::move(next));
}

}  // namespace nibble
