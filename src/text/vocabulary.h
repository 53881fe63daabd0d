#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// How SentencePiece vocabularies write a space: U+2581.
inline constexpr std::string_view kSpaceSymbol = "\xe2\x96\x81";

enum class TokenizerKind {
  sentencepiece,   ///< BPE over characters, by scores or merges, with byte fallback (Llama 1 and 2, Mistral)
  byte_level_bpe,  ///< BPE by merge ranks over bytes, after a pre-tokenizer (Llama 3, SmolLM, Qwen)
};

/// As GGUF's tokenizer.ggml.token_type.
enum class TokenType : int32_t {
  undefined = 0,
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

/// A token that is looked for in the text before anything else happens to it: Hugging Face's "added
/// tokens", with the flags of tokenizer.json.
struct AddedToken {
  int32_t id = 0;
  bool special = false;      ///< found only where the caller asks to parse special tokens
  bool normalized = false;   ///< looked for after the normalizer ran, in its normalized form
  bool lstrip = false;       ///< takes the whitespace before it
  bool rstrip = false;       ///< takes the whitespace after it
  bool single_word = false;  ///< only where no word character touches it
};

/// One step of a pre-tokenizer that cuts the text at every match of a regular expression, or keeps the
/// matches alone.
struct SplitRule {
  std::string regex;
  bool keep_gaps = true;  ///< what lies between two matches is a piece too
  bool operator==(const SplitRule&) const = default;
};

/// A vocabulary, whichever file it came from. The fields and their spelling follow GGUF's metadata:
/// byte-level tokens are written with GPT-2's byte-to-character map, SentencePiece's with U+2581.
struct Vocabulary {
  TokenizerKind kind = TokenizerKind::byte_level_bpe;
  std::string pre;                ///< GGUF's pre-tokenizer name: "llama-bpe", "smollm", "qwen2", ...
  std::vector<SplitRule> splits;  ///< a pre-tokenizer that has no name; used when `pre` is empty
  std::vector<std::string> tokens;
  std::vector<float> scores;  ///< sentencepiece
  std::vector<TokenType> types;
  std::vector<std::string> merges;  ///< "left right", best first; sentencepiece goes by scores without them
  std::vector<AddedToken> added;    ///< empty: control and unknown tokens are special, user_defined are not
  std::optional<int32_t> bos, eos, unknown, padding;
  std::vector<int32_t> end_of_turn;  ///< further tokens that end an answer, such as <|im_end|>
  bool add_bos = false, add_eos = false;
  bool add_space_prefix = true;    ///< sentencepiece: text gets a space in front, also after an added token
  bool prefix_first_only = false;  ///< not after an added token (Metaspace "first")
  bool metaspace = false;          ///< not where the text begins with a space (Metaspace)
  bool split_on_spaces = false;    ///< no token has a space but at its beginning (Metaspace with "split")
  bool remove_extra_whitespaces = false;  ///< sentencepiece: runs of spaces become one, none at the ends
  bool fuse_unknown = true;               ///< sentencepiece: neighbouring unknown characters are one token
  bool ignore_merges = false;             ///< a whole word that is in the vocabulary is not merged (Llama 3)
  bool nfc = false;           ///< byte_level_bpe: text is brought to Unicode's form NFC first (Qwen)
  std::string chat_template;  ///< Jinja source; may be empty
};

/// Each throws Error naming `where` (the file) and what is wrong. The result is checked: token counts
/// agree, ids are in range, strings are UTF-8.
Vocabulary read_tokenizer_json(std::string_view json, const std::string& where);
Vocabulary read_sentencepiece_model(std::string_view bytes, const std::string& where);
/// A directory with tokenizer.json or tokenizer.model, and tokenizer_config.json,
/// special_tokens_map.json, generation_config.json, chat_template.jinja where they are.
Vocabulary read_tokenizer_directory(const std::string& directory);
void check_vocabulary(const Vocabulary& vocabulary, const std::string& where);

/// Adds the tokens that by their well-known names end an answer (<|im_end|>, <|eot_id|>, ...) to
/// end_of_turn, as files often name only one of several.
void add_known_end_of_turn(Vocabulary& vocabulary);

}  // namespace nibble
