#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

enum class TokenizerKind {
  sentencepiece,   ///< BPE by scores over characters, with byte fallback (Llama 1 and 2, Mistral)
  byte_level_bpe,  ///< BPE by merge ranks over bytes, after a pre-tokenizer (Llama 3, SmolLM, Qwen)
};

/// As GGUF's tokenizer.ggml.token_type.
enum class TokenType : int32_t { undefined = 0, normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// A vocabulary, whichever file it came from. The fields and their spelling follow GGUF's metadata:
/// byte-level tokens are written with GPT-2's byte-to-character map, SentencePiece's with U+2581.
struct Vocabulary {
  TokenizerKind kind = TokenizerKind::byte_level_bpe;
  std::string pre;                 ///< GGUF's pre-tokenizer name: "llama-bpe", "smollm", "qwen2", ...
  std::vector<std::string> tokens;
  std::vector<float> scores;       ///< sentencepiece
  std::vector<TokenType> types;
  std::vector<std::string> merges; ///< byte_level_bpe, "left right", best first
  std::optional<int32_t> bos, eos, unknown, padding;
  std::vector<int32_t> end_of_turn;  ///< further tokens that end an answer, such as <|im_end|>
  bool add_bos = false, add_eos = false;
  bool add_space_prefix = true;    ///< sentencepiece
  bool remove_extra_whitespaces = false;
  bool ignore_merges = false;      ///< a whole word that is in the vocabulary is not merged (Llama 3)
  std::string chat_template;       ///< Jinja source; may be empty
};

/// Each throws Error naming `where` (the file) and what is wrong. The result is checked: token counts
/// agree, ids are in range, strings are UTF-8.
Vocabulary read_tokenizer_json(std::string_view json, const std::string& where);
Vocabulary read_sentencepiece_model(std::string_view bytes, const std::string& where);
/// A directory with tokenizer.json or tokenizer.model, and tokenizer_config.json,
/// special_tokens_map.json, generation_config.json, chat_template.jinja where they are.
Vocabulary read_tokenizer_directory(const std::string& directory);
void check_vocabulary(const Vocabulary& vocabulary, const std::string& where);

}  // namespace nibble
