#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace nibble {

struct EncodeOptions {
  bool add_special = true;  ///< begin and end tokens as the vocabulary asks
  bool parse_special =
      false;  ///< "<|im_start|>" in the text becomes that token; for templates, not for user text
};

/// Text to token ids and back. Immutable and safe to share between threads.
class Tokenizer {
 public:
  /// Throws Error where the vocabulary can't be used: an unknown pre-tokenizer, merges of unknown tokens.
  static std::unique_ptr<Tokenizer> create(Vocabulary vocabulary);
  virtual ~Tokenizer() = default;

  /// Any bytes are accepted: what is not UTF-8 becomes byte tokens, so that decoding gives it back.
  virtual std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const = 0;
  /// The bytes a token stands for; empty for control tokens unless `special`. Throws Error for an id
  /// outside of the vocabulary.
  virtual std::string piece(int32_t id, bool special = false) const = 0;
  /// The text of a whole sequence (SentencePiece drops the space it put before the first word).
  std::string decode(const std::vector<int32_t>& ids, bool special = false) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  size_t size() const { return vocabulary_.tokens.size(); }
  /// True for tokens that end an answer: eos and the end of turn.
  bool ends_answer(int32_t id) const;
  /// True when decoding a whole text drops one space at its beginning.
  bool drops_first_space() const;

 protected:
  explicit Tokenizer(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  Vocabulary vocabulary_;
};

/// Text from a stream of tokens, always whole UTF-8 characters: bytes that may still become one are
/// held back until they do or cannot; what cannot becomes U+FFFD.
class StreamDecoder {
 public:
  /// `continues`: the tokens go on from earlier text, so that a first space is part of it.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool special = false, bool continues = false);
  std::string add(int32_t id);
  /// What is left at the end.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool special_, at_start_;
  std::string pending_;
};

}  // namespace nibble
