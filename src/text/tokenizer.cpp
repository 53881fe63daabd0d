#include "text/tokenizer.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/byte_level_tokenizer.h"
#include "text/sentencepiece_tokenizer.h"

namespace nibble {

std::unique_ptr<Tokenizer> Tokenizer::create(Vocabulary vocabulary) {
  check_vocabulary(vocabulary, "tokenizer");
  if (vocabulary.kind == TokenizerKind::sentencepiece) {
    return std::make_unique<SentencePieceTokenizer>(std::move(vocabulary));
  }
  return std::make_unique<ByteLevelTokenizer>(std::move(vocabulary));
}

bool Tokenizer::drops_first_space() const {
  return vocabulary_.kind == TokenizerKind::sentencepiece &&
         (vocabulary_.add_space_prefix || vocabulary_.remove_extra_whitespaces);
}

std::string Tokenizer::decode(const std::vector<int32_t>& ids, bool special) const {
  std::string text;
  bool at_start = drops_first_space();
  for (const int32_t id : ids) {
    const std::string bytes = piece(id, special);
    text.append(bytes, at_start && bytes.starts_with(' ') ? 1 : 0);
    if (!bytes.empty()) at_start = false;
  }
  return text;
}

bool Tokenizer::ends_answer(int32_t id) const {
  return vocabulary_.eos == id || std::ranges::count(vocabulary_.end_of_turn, id) > 0;
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool special, bool continues)
    : tokenizer_(tokenizer), special_(special), at_start_(tokenizer.drops_first_space() && !continues) {}

std::string StreamDecoder::add(int32_t id) {
  const std::string bytes = tokenizer_.piece(id, special_);
  pending_.append(bytes, at_start_ && bytes.starts_with(' ') ? 1 : 0);
  if (!bytes.empty()) at_start_ = false;
  const size_t complete = complete_utf8_prefix(pending_);
  std::string text = replace_invalid_utf8(std::string_view(pending_).substr(0, complete));
  pending_.erase(0, complete);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text = replace_invalid_utf8(pending_);
  pending_.clear();
  return text;
}

}  // namespace nibble
