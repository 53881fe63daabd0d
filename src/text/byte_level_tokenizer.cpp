#include "text/byte_level_tokenizer.h"

#include "base/error.h"
#include "text/byte_level.h"
#include "text/normalize_nfc.h"

namespace nibble {

ByteLevelTokenizer::ByteLevelTokenizer(Vocabulary vocabulary)
    : BpeTokenizer(std::move(vocabulary)),
      pre_tokenizer_(vocabulary_),
      pieces_(decode_tokens()),
      index_(pieces_),
      merges_(vocabulary_.merges.size()) {
  for (size_t id = 0; id < pieces_.size(); ++id) {
    const TokenType type = vocabulary_.types[id];
    if (type != TokenType::control && type != TokenType::unknown && !pieces_[id].empty())
      index_.add(int32_t(id));
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char text = char(byte);
    byte_tokens_[size_t(byte)] = index_.find({&text, 1});
  }
  build_merges();
  build_added_tokens();
}

std::vector<std::string> ByteLevelTokenizer::decode_tokens() const {
  std::vector<std::string> pieces;
  pieces.reserve(size());
  for (size_t id = 0; id < size(); ++id) {
    // Added tokens are written as they are, and so is what has a character outside of the map.
    const bool is_text =
        vocabulary_.types[id] == TokenType::control || vocabulary_.types[id] == TokenType::user_defined;
    auto bytes = is_text ? std::nullopt : decode_byte_level(vocabulary_.tokens[id]);
    pieces.push_back(bytes ? *std::move(bytes) : vocabulary_.tokens[id]);
  }
  return pieces;
}

void ByteLevelTokenizer::build_merges() {
  std::string merged;
  for (size_t rank = 0; rank < vocabulary_.merges.size(); ++rank) {
    const std::string_view merge = vocabulary_.merges[rank];
    const size_t space = merge.find(' ', 1);
    const auto left = decode_byte_level(merge.substr(0, space));
    const auto right = decode_byte_level(merge.substr(space + 1));
    const int32_t left_id = left ? index_.find(*left) : -1;
    const int32_t right_id = right ? index_.find(*right) : -1;
    const int32_t id = left_id < 0 || right_id < 0 ? -1 : index_.find(merged.assign(*left).append(*right));
    if (id < 0)
      fail("merge {} of the tokenizer, \"{}\", is of tokens that the vocabulary does not have", rank, merge);
    merges_.add(left_id, right_id, {uint32_t(rank), id});
  }
}

std::string ByteLevelTokenizer::normalize(std::string_view text, bool) const {
  auto normalized = vocabulary_.nfc ? normalize_nfc(text) : std::nullopt;
  return normalized ? *std::move(normalized) : std::string(text);
}

void ByteLevelTokenizer::encode_normalized(std::string_view text, bool, WordCache& cache,
                                           std::vector<int32_t>& ids) const {
  std::vector<int32_t> symbols;
  pre_tokenizer_.for_each_word(text, [&](std::string_view word) {
    cache.append(word, ids, [&](std::vector<int32_t>& out) { encode_word(word, symbols, out); });
  });
}

void ByteLevelTokenizer::encode_word(std::string_view word, std::vector<int32_t>& symbols,
                                     std::vector<int32_t>& ids) const {
  if (vocabulary_.ignore_merges) {
    // Added tokens were looked for before, by their own rules.
    const int32_t id = index_.find(word);
    if (id >= 0 && vocabulary_.types[size_t(id)] != TokenType::user_defined) return ids.push_back(id);
  }
  symbols.clear();
  for (const char c : word) {
    // A byte without token is dropped, as Hugging Face's tokenizers do.
    if (const int32_t id = byte_tokens_[uint8_t(c)]; id >= 0) symbols.push_back(id);
  }
  merges_.apply(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

}  // namespace nibble
