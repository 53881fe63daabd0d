#include "text/bpe_tokenizer.h"

#include "base/error.h"

namespace nibble {

std::vector<AddedToken> BpeTokenizer::default_added_tokens() const {
  std::vector<AddedToken> added;
  for (size_t i = 0; i < vocabulary_.types.size(); ++i) {
    const TokenType type = vocabulary_.types[i];
    const bool special = type == TokenType::control || type == TokenType::unknown;
    if (!special && type != TokenType::user_defined) continue;
    if (!is_matched_by_model(int32_t(i))) added.push_back({.id = int32_t(i), .special = special});
  }
  return added;
}

void BpeTokenizer::build_added_tokens() {
  for (const AddedToken& token : vocabulary_.added.empty() ? default_added_tokens() : vocabulary_.added) {
    const std::string& text = vocabulary_.tokens[size_t(token.id)];
    if (token.normalized) {
      normalized_tokens_.add(normalize(text, true), token);
    } else {
      raw_tokens_.add(text, token);
    }
  }
}

std::vector<int32_t> BpeTokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 4);
  WordCache cache(text.size());
  if (options.add_special && vocabulary_.add_bos && vocabulary_.bos) ids.push_back(*vocabulary_.bos);
  size_t done = 0;
  for (const auto& match : raw_tokens_.find(text, options.parse_special)) {
    encode_between(text.substr(done, match.begin - done), done == 0, options.parse_special, cache, ids);
    ids.push_back(match.id);
    done = match.end;
  }
  encode_between(text.substr(done), done == 0, options.parse_special, cache, ids);
  if (options.add_special && vocabulary_.add_eos && vocabulary_.eos) ids.push_back(*vocabulary_.eos);
  return ids;
}

void BpeTokenizer::encode_between(std::string_view text, bool at_start, bool parse_special, WordCache& cache,
                                  std::vector<int32_t>& ids) const {
  if (text.empty()) return;
  const std::string normalized = normalize(text, at_start);
  const std::string_view rest = normalized;
  size_t done = 0;
  for (const auto& match : normalized_tokens_.find(normalized, parse_special)) {
    encode_normalized(rest.substr(done, match.begin - done), at_start && done == 0, cache, ids);
    ids.push_back(match.id);
    done = match.end;
  }
  encode_normalized(rest.substr(done), at_start && done == 0, cache, ids);
}

std::string BpeTokenizer::piece(int32_t id, bool special) const {
  if (id < 0 || size_t(id) >= size())
    fail("token id {} is outside of the vocabulary of {} tokens", id, size());
  const TokenType type = vocabulary_.types[size_t(id)];
  if (type == TokenType::control) return special ? vocabulary_.tokens[size_t(id)] : "";
  // As SentencePiece shows what it could not encode.
  if (type == TokenType::unknown) return special ? vocabulary_.tokens[size_t(id)] : " \xe2\x81\x87 ";
  return text_of(id);
}

}  // namespace nibble
