#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/tokenizer.h"
#include "text/word_cache.h"

namespace nibble {

/// What both kinds of tokenizers share: added tokens are cut out of the text, the rest is normalized and
/// merged, begin and end tokens go around it (the order of Hugging Face's tokenizers).
class BpeTokenizer : public Tokenizer {
 public:
  std::vector<int32_t> encode(std::string_view text, EncodeOptions options) const final;
  std::string piece(int32_t id, bool special) const final;

 protected:
  explicit BpeTokenizer(Vocabulary vocabulary) : Tokenizer(std::move(vocabulary)) {}
  /// Fills the matchers; called by the constructors of derived classes once normalize() works.
  void build_added_tokens();

  /// True when merging takes the token as text that can occur, so that it is no added token.
  virtual bool is_matched_by_model(int32_t id) const = 0;
  /// Text between added tokens, before normalized added tokens are looked for. `at_start`: the text is
  /// the beginning of the input.
  virtual std::string normalize(std::string_view text, bool at_start) const = 0;
  /// Appends the ids of normalized text.
  virtual void encode_normalized(std::string_view text, bool at_start, WordCache& cache,
                                 std::vector<int32_t>& ids) const = 0;
  /// The bytes of a token that is neither control nor unknown.
  virtual std::string text_of(int32_t id) const = 0;

 private:
  void encode_between(std::string_view text, bool at_start, bool parse_special, WordCache& cache,
                      std::vector<int32_t>& ids) const;
  std::vector<AddedToken> default_added_tokens() const;

  AddedTokenMatcher raw_tokens_, normalized_tokens_;
};

}  // namespace nibble
