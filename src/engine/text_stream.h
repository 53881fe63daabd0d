#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/stop_strings.h"
#include "text/tokenizer.h"

namespace nibble {

/// Tokens to text that may be shown: whole characters, nothing of a stop string.
class TextStream {
 public:
  /// Without a tokenizer there is no text. `previous` is the prompt's last token: after a control token a new
  /// text begins, and the space that SentencePiece puts before its first word is no part of it.
  TextStream(const Tokenizer* tokenizer, int32_t previous, const std::vector<std::string>& stops);

  std::string add(int32_t token);
  /// What was held back, at the end.
  std::string finish();
  bool stopped() const { return stops_.found(); }  ///< a stop string came

 private:
  /// A model's matrix may have more rows than there are tokens.
  bool is_text(int32_t token) const { return tokenizer_ && size_t(token) < tokenizer_->size(); }

  StopStrings stops_;
  const Tokenizer* tokenizer_;
  std::optional<StreamDecoder> decoder_;
};

}  // namespace nibble
