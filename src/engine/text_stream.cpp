#include "engine/text_stream.h"

namespace nibble {

TextStream::TextStream(const Tokenizer* tokenizer, int32_t previous, const std::vector<std::string>& stops)
    : stops_(stops), tokenizer_(tokenizer) {
  if (!tokenizer_) return;
  const bool continues = is_text(previous) && !tokenizer_->piece(previous).empty();
  decoder_.emplace(*tokenizer_, false, continues);
}

std::string TextStream::add(int32_t token) {
  return is_text(token) ? stops_.add(decoder_->add(token)) : std::string();
}

std::string TextStream::finish() {
  if (!decoder_) return {};
  std::string rest = stops_.add(decoder_->finish());
  return rest + stops_.finish();
}

}  // namespace nibble
