#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "engine/scheduler.h"
#include "text/tokenizer.h"

/// Log-probabilities as OpenAI writes them.
namespace nibble {

/// The text of one token, control tokens by their names. Bytes that are no UTF-8 are written as OpenAI does:
/// "bytes:\xe2\x80".
std::string token_text(const Tokenizer& tokenizer, int32_t id);

/// Chat: {"token", "logprob", "bytes", "top_logprobs"} for each token.
nlohmann::ordered_json chat_logprobs(const Tokenizer& tokenizer, std::span<const TokenLogprob> tokens);

/// Completions: parallel lists of tokens, token_logprobs, top_logprobs and text_offset (in characters).
class CompletionLogprobs {
 public:
  explicit CompletionLogprobs(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  /// `known` is false for a prompt's first token, which nothing predicts.
  void add(const TokenLogprob& token, bool known = true);
  /// The lists so far; they begin anew, the offsets go on.
  nlohmann::ordered_json take();

 private:
  const Tokenizer& tokenizer_;
  nlohmann::ordered_json tokens_ = nlohmann::ordered_json::array(),
                         logprobs_ = nlohmann::ordered_json::array(), tops_ = nlohmann::ordered_json::array(),
                         offsets_ = nlohmann::ordered_json::array();
  size_t offset_ = 0;
};

}  // namespace nibble
