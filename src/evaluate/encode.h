#pragma once

#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace nibble {

/// The tokens of a text that goes on: with the begin token that the vocabulary asks for, never with its
/// end token. Special tokens are not parsed.
inline std::vector<int32_t> encode_beginning(const Tokenizer& tokenizer, std::string_view text) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  std::vector<int32_t> ids = tokenizer.encode(text, {.add_special = false});
  if (vocabulary.add_bos && vocabulary.bos) ids.insert(ids.begin(), *vocabulary.bos);
  return ids;
}

}  // namespace nibble
