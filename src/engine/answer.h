#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/scheduler.h"
#include "engine/text_stream.h"

namespace nibble {

/// What an answer is limited by, and where it comes from.
struct AnswerLimits {
  const Tokenizer* tokenizer;  ///< none: no text, and no token ends an answer
  uint32_t context;            ///< tokens of prompt and answer
  uint32_t max_new_tokens;
  const std::vector<std::string>& stop;
};

/// One answer as it grows: its tokens, the text that is certain, and why it ended.
class Answer {
 public:
  Answer(uint32_t choice, std::span<const int32_t> prompt, const AnswerLimits& limits);

  /// Takes the next token; false when it is the last one.
  bool add(TokenLogprob token);
  /// Ends it where it is. `reason` gives way to a stop string in what was held back.
  void end(StopReason reason);

  bool ended() const { return reason_.has_value(); }
  /// The prompt and the answer so far.
  std::span<const int32_t> history() const { return history_; }
  size_t prompt_tokens() const { return prompt_tokens_; }
  size_t tokens() const { return history_.size() - prompt_tokens_; }
  /// Tokens that may still come.
  uint32_t room() const;
  /// What came since the last call: nothing when that is nothing.
  std::optional<AnswerPiece> take_piece();

 private:
  std::vector<int32_t> history_;
  size_t prompt_tokens_;
  const Tokenizer* tokenizer_;
  size_t most_tokens_;  ///< of the history
  StopReason full_;     ///< why no more can come then
  TextStream text_;
  std::optional<StopReason> reason_;
  AnswerPiece piece_;
  bool changed_ = false;
};

}  // namespace nibble
