#include "serve/logprobs.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace nibble {

namespace {

using nlohmann::ordered_json;

/// What stands for the logarithm of zero, as JSON has no infinity.
constexpr float kLeastLogprob = -9999;

float finite(float logprob) {
  return std::max(logprob, kLeastLogprob);
}

std::string token_bytes(const Tokenizer& tokenizer, int32_t id) {
  // A model's matrix may have more rows than there are tokens.
  return size_t(id) < tokenizer.size() ? tokenizer.piece(id, true) : std::string();
}

ordered_json chat_token(const Tokenizer& tokenizer, int32_t id, float logprob) {
  ordered_json bytes = ordered_json::array();
  for (const char c : token_bytes(tokenizer, id)) bytes.push_back(uint8_t(c));
  return {{"token", token_text(tokenizer, id)}, {"logprob", finite(logprob)}, {"bytes", bytes}};
}

size_t characters(const std::string& text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (uint8_t(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string token_text(const Tokenizer& tokenizer, int32_t id) {
  std::string bytes = token_bytes(tokenizer, id);
  if (find_invalid_utf8(bytes) == bytes.size()) return bytes;
  std::string text = "bytes:";
  for (const char c : bytes) text += fmt::format("\\x{:02x}", uint8_t(c));
  return text;
}

ordered_json chat_logprobs(const Tokenizer& tokenizer, std::span<const TokenLogprob> tokens) {
  ordered_json content = ordered_json::array();
  for (const TokenLogprob& token : tokens) {
    ordered_json entry = chat_token(tokenizer, token.id, token.logprob);
    ordered_json tops = ordered_json::array();
    for (const auto& [id, logprob] : token.top) tops.push_back(chat_token(tokenizer, id, logprob));
    entry["top_logprobs"] = std::move(tops);
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

void CompletionLogprobs::add(const TokenLogprob& token, bool known) {
  const std::string text = token_text(tokenizer_, token.id);
  tokens_.push_back(text);
  offsets_.push_back(offset_);
  offset_ += characters(text);
  if (!known) {
    logprobs_.push_back(nullptr);
    tops_.push_back(nullptr);
    return;
  }
  logprobs_.push_back(finite(token.logprob));
  ordered_json tops = ordered_json::object();
  // Two tokens may have one text; the more probable one, which comes first, stands for both.
  for (const auto& [id, logprob] : token.top) tops.emplace(token_text(tokenizer_, id), finite(logprob));
  tops.emplace(text, finite(token.logprob));
  tops_.push_back(std::move(tops));
}

ordered_json CompletionLogprobs::take() {
  return {{"tokens", std::exchange(tokens_, ordered_json::array())},
          {"token_logprobs", std::exchange(logprobs_, ordered_json::array())},
          {"top_logprobs", std::exchange(tops_, ordered_json::array())},
          {"text_offset", std::exchange(offsets_, ordered_json::array())}};
}

}  // namespace nibble
