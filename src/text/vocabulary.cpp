#include "text/vocabulary.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/utf8.h"

namespace nibble {

namespace {

bool is_byte_token(std::string_view token) {
  const auto is_hex = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
  };
  return token.size() == 6 && token.starts_with("<0x") && token[5] == '>' && is_hex(token[3]) &&
         is_hex(token[4]);
}

void check_id(const Vocabulary& vocabulary, std::optional<int32_t> id, const char* what,
              const std::string& where) {
  if (id && (*id < 0 || size_t(*id) >= vocabulary.tokens.size())) {
    fail("{}: the {} token {} is outside of the vocabulary of {} tokens", where, what, *id,
         vocabulary.tokens.size());
  }
}

void check_tokens(const Vocabulary& vocabulary, const std::string& where) {
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    if (find_invalid_utf8(token) != token.size()) fail("{}: token {} is not UTF-8", where, id);
    const auto type = int32_t(vocabulary.types[id]);
    if (type < 0 || type > int32_t(TokenType::byte))
      fail("{}: token {} has the unknown type {}", where, id, type);
    if (vocabulary.types[id] == TokenType::byte && !is_byte_token(token)) {
      fail("{}: token {} is a byte but spelled \"{}\" instead of <0x..>", where, id, token);
    }
  }
}

void check_merges(const Vocabulary& vocabulary, const std::string& where) {
  for (size_t i = 0; i < vocabulary.merges.size(); ++i) {
    const std::string& merge = vocabulary.merges[i];
    const size_t space = merge.find(' ', 1);
    const bool two_parts = space != std::string::npos && space + 1 < merge.size() &&
                           merge.find(' ', space + 1) == std::string::npos && merge[0] != ' ';
    if (!two_parts) fail("{}: merge {}, \"{}\", is not two tokens with a space between", where, i, merge);
    if (find_invalid_utf8(merge) != merge.size()) fail("{}: merge {} is not UTF-8", where, i);
  }
}

}  // namespace

void check_vocabulary(const Vocabulary& vocabulary, const std::string& where) {
  const size_t count = vocabulary.tokens.size();
  if (count == 0) fail("{}: the vocabulary has no tokens", where);
  if (count > INT32_MAX / 2) fail("{}: a vocabulary of {} tokens is too large", where, count);
  if (vocabulary.types.size() != count) {
    fail("{}: {} tokens, but {} token types", where, count, vocabulary.types.size());
  }
  const bool by_scores = vocabulary.kind == TokenizerKind::sentencepiece && vocabulary.merges.empty();
  if (by_scores ? vocabulary.scores.size() != count
                : !vocabulary.scores.empty() && vocabulary.scores.size() != count) {
    fail("{}: {} tokens, but {} scores", where, count, vocabulary.scores.size());
  }
  for (size_t id = 0; id < vocabulary.scores.size(); ++id) {
    if (!std::isfinite(vocabulary.scores[id]))
      fail("{}: the score of token {} is not a finite number", where, id);
  }
  check_tokens(vocabulary, where);
  check_merges(vocabulary, where);
  check_id(vocabulary, vocabulary.bos, "begin (bos)", where);
  check_id(vocabulary, vocabulary.eos, "end (eos)", where);
  check_id(vocabulary, vocabulary.unknown, "unknown", where);
  check_id(vocabulary, vocabulary.padding, "padding", where);
  for (const int32_t id : vocabulary.end_of_turn) check_id(vocabulary, id, "end of turn", where);
  for (const AddedToken& token : vocabulary.added) check_id(vocabulary, token.id, "added", where);
}

void add_known_end_of_turn(Vocabulary& vocabulary) {
  constexpr std::array<std::string_view, 8> kNames = {"<|im_end|>",      "<|eot_id|>",    "<|eom_id|>",
                                                      "<|end|>",         "<end_of_turn>", "<|endoftext|>",
                                                      "<|end_of_text|>", "<EOT>"};
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.types[id] != TokenType::control || vocabulary.eos == int32_t(id)) continue;
    if (std::ranges::count(kNames, vocabulary.tokens[id]) == 0) continue;
    if (std::ranges::count(vocabulary.end_of_turn, int32_t(id)) == 0)
      vocabulary.end_of_turn.push_back(int32_t(id));
  }
}

}  // namespace nibble
