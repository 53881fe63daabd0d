#include "text/word_scanner.h"

#include "base/utf8.h"
#include "text/unicode_classes.h"

namespace nibble {

namespace {

constexpr uint8_t kKinds = kLetter | kNumber | kWhitespace;

struct Character {
  uint8_t classes = 0;
  size_t length = 0;  // 0 at the end of the text
};

Character character_at(const UnicodeClasses& classes, std::string_view text, size_t at) {
  if (at >= text.size()) return {};
  const auto byte = uint8_t(text[at]);
  if (byte < 0x80) return {classes[byte], 1};
  const CodePoint point = decode_utf8(text.substr(at));
  if (point.length == 0) return {0, 1};
  return {classes[point.value], size_t(point.length)};
}

/// The end of the run of characters of one kind: kLetter, kNumber, kWhitespace, or 0 for all others.
size_t run_end(const UnicodeClasses& classes, std::string_view text, size_t at, uint8_t kind) {
  for (;;) {
    const Character c = character_at(classes, text, at);
    if (c.length == 0 || (c.classes & kKinds) != kind) return at;
    at += c.length;
  }
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? char(c + 32) : c;
}

/// The length of 's 't 're 've 'm 'll 'd at the beginning of text, or 0.
size_t contraction_length(std::string_view text, bool any_case) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const char first = any_case ? lower(text[1]) : text[1];
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  constexpr std::string_view kLongS = "\xc5\xbf";  // U+017F, whose other case is S
  if (any_case && text.substr(1).starts_with(kLongS)) return 1 + kLongS.size();
  if (text.size() < 3) return 0;
  const char second = any_case ? lower(text[2]) : text[2];
  return (second == 'e' && (first == 'r' || first == 'v')) || (first == 'l' && second == 'l') ? 3 : 0;
}

/// \s+(?!\S)|\s+ on a run of whitespace: before a word the last character is left for the next match.
size_t whitespace_end(std::string_view text, size_t begin, size_t run) {
  if (run == text.size()) return run;
  size_t last = run - 1;
  while ((uint8_t(text[last]) & 0xc0) == 0x80) --last;
  return last > begin ? last : run;
}

}  // namespace

size_t gpt2_word_end(std::string_view text, size_t begin) {
  if (const size_t length = contraction_length(text.substr(begin), false)) return begin + length;
  const UnicodeClasses& classes = UnicodeClasses::get();
  const size_t at = text[begin] == ' ' ? begin + 1 : begin;
  const Character c = character_at(classes, text, at);
  const uint8_t kind = c.classes & kKinds;
  if (c.length > 0 && kind != kWhitespace) return run_end(classes, text, at + c.length, kind);
  return whitespace_end(text, begin, run_end(classes, text, begin, kWhitespace));
}

size_t llama3_word_end(std::string_view text, size_t begin, int max_digits) {
  if (const size_t length = contraction_length(text.substr(begin), true)) return begin + length;
  const UnicodeClasses& classes = UnicodeClasses::get();
  const Character c = character_at(classes, text, begin);
  const size_t after = begin + c.length;
  const uint8_t kind = c.classes & kKinds;
  if (kind == kLetter) return run_end(classes, text, after, kLetter);
  if (kind == kNumber) {
    size_t end = after;
    for (int digits = 1; digits < max_digits; ++digits) {
      const Character next = character_at(classes, text, end);
      if ((next.classes & kNumber) == 0) break;
      end += next.length;
    }
    return end;
  }
  const Character next = character_at(classes, text, after);
  const bool is_newline = text[begin] == '\r' || text[begin] == '\n';
  if (!is_newline && (next.classes & kLetter) != 0)
    return run_end(classes, text, after + next.length, kLetter);
  if (kind == 0 || (text[begin] == ' ' && next.length > 0 && (next.classes & kKinds) == 0)) {
    size_t end = run_end(classes, text, after, 0);
    while (end < text.size() && (text[end] == '\r' || text[end] == '\n')) ++end;
    return end;
  }
  const size_t run = run_end(classes, text, after, kWhitespace);
  for (size_t end = run; end > begin; --end) {
    if (text[end - 1] == '\r' || text[end - 1] == '\n') return end;
  }
  return whitespace_end(text, begin, run);
}

size_t find_digit(std::string_view text, size_t begin, size_t* length) {
  const UnicodeClasses& classes = UnicodeClasses::get();
  while (begin < text.size()) {
    const Character c = character_at(classes, text, begin);
    if ((c.classes & kDigit) != 0) {
      *length = c.length;
      return begin;
    }
    begin += c.length;
  }
  *length = 0;
  return begin;
}

}  // namespace nibble
