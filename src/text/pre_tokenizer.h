#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"
#include "text/word_scanner.h"

namespace nibble {

/// A pre-tokenizer that has a name in GGUF files, and what comes with the name.
struct NamedPreTokenizer {
  std::string name;
  std::vector<SplitRule> splits;
  bool ignore_merges;
  bool nfc;
};

/// GPT-2's own regular expression, which is also what "ByteLevel" cuts with.
extern const char* const kGpt2Regex;

/// Looks an own name or another program's name for the same thing up; null where there is none.
const NamedPreTokenizer* find_pre_tokenizer(std::string_view name);
/// Looks a name up by what it does; null where there is none.
const NamedPreTokenizer* find_pre_tokenizer(const std::vector<SplitRule>& splits, bool ignore_merges,
                                            bool nfc);
/// The names, for messages.
std::string pre_tokenizer_names();

class RegexSplitter;

/// Cuts text into the words within which byte-level BPE merges. Safe to share between threads.
class PreTokenizer {
 public:
  /// By vocabulary.pre, or by vocabulary.splits where that is empty. Throws Error for an unknown name or a
  /// regular expression that can't be compiled.
  explicit PreTokenizer(const Vocabulary& vocabulary);
  ~PreTokenizer();

  /// Calls on_word(string_view) for each word in order.
  template <typename OnWord>
  void for_each_word(std::string_view text, OnWord on_word) const {
    switch (scanner_) {
      case Scanner::gpt2:
        return scan(text, on_word, [](std::string_view t, size_t at) { return gpt2_word_end(t, at); });
      case Scanner::llama3:
        return scan(text, on_word, [](std::string_view t, size_t at) { return llama3_word_end(t, at, 3); });
      case Scanner::qwen2:
        return scan(text, on_word, [](std::string_view t, size_t at) { return llama3_word_end(t, at, 1); });
      case Scanner::smollm:
        return scan_between_digits(text, on_word);
      case Scanner::regex:
        for (const std::string_view word : split_by_regex(text)) on_word(word);
    }
  }

 private:
  enum class Scanner { gpt2, smollm, llama3, qwen2, regex };

  template <typename OnWord, typename WordEnd>
  static void scan(std::string_view text, OnWord& on_word, WordEnd word_end) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = word_end(text, at);
      on_word(text.substr(at, end - at));
      at = end;
    }
  }

  /// Each digit is a word, and what lies between two is a text of its own.
  template <typename OnWord>
  static void scan_between_digits(std::string_view text, OnWord& on_word) {
    for (size_t at = 0; at < text.size();) {
      size_t length = 0;
      const size_t digit = find_digit(text, at, &length);
      scan(text.substr(at, digit - at), on_word, gpt2_word_end);
      if (length > 0) on_word(text.substr(digit, length));
      at = digit + length;
    }
  }

  static Scanner scanner_for(const std::vector<SplitRule>& splits);
  std::vector<std::string_view> split_by_regex(std::string_view text) const;

  Scanner scanner_ = Scanner::regex;
  std::vector<std::unique_ptr<RegexSplitter>> splitters_;  // applied one after the other
};

}  // namespace nibble
