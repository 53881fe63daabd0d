#include "text/jinja/unicode.h"

#include <algorithm>
#include <iterator>

#include "base/utf8.h"

namespace nibble::jinja {

namespace {

struct Range {
  char32_t first, last;
};

/// Every stride-th character of [first, last] maps to itself + delta.
struct CaseRange {
  char32_t first, last;
  int stride, delta;
};

/// A character that maps to several.
struct CaseSpecial {
  char32_t from;
  char32_t to[3];
};

#include "text/jinja/unicode_tables.inc"

template <typename Table>
auto find_range(const Table& table, char32_t c) {
  auto it = std::upper_bound(std::begin(table), std::end(table), c,
                             [](char32_t value, const auto& range) { return value < range.first; });
  if (it == std::begin(table)) return std::end(table);
  --it;
  return c <= it->last ? it : std::end(table);
}

template <typename Table>
bool contains(const Table& table, char32_t c) {
  return find_range(table, c) != std::end(table);
}

/// Appends what c maps to and returns true, or returns false when the tables do not name it.
template <typename Ranges, typename Specials>
bool append_mapped(std::string& out, const Ranges& ranges, const Specials& specials, char32_t c) {
  if (const auto it = find_range(ranges, c);
      it != std::end(ranges) && (c - it->first) % char32_t(it->stride) == 0) {
    append_utf8(out, char32_t(int(c) + it->delta));
    return true;
  }
  const auto it = std::lower_bound(std::begin(specials), std::end(specials), c,
                                   [](const CaseSpecial& s, char32_t value) { return s.from < value; });
  if (it == std::end(specials) || it->from != c) return false;
  for (const char32_t mapped : it->to) {
    if (mapped != 0) append_utf8(out, mapped);
  }
  return true;
}

void append_upper(std::string& out, std::string_view same, char32_t c) {
  if (!append_mapped(out, kToUpper, kToUpperSpecial, c)) out += same;
}

void append_title(std::string& out, std::string_view same, char32_t c) {
  if (!append_mapped(out, kToTitle, kToTitleSpecial, c)) append_upper(out, same, c);
}

/// A capital sigma that ends a word becomes the final small sigma (Unicode's Final_Sigma condition).
bool is_final_sigma(std::string_view text, size_t at, size_t bytes) {
  size_t before = at;
  bool cased_before = false;
  while (before > 0) {
    const Character c = character_before(text, before);
    before -= c.bytes;
    if (contains(kCaseIgnorable, c.value)) continue;
    cased_before = is_cased(c.value);
    break;
  }
  if (!cased_before) return false;
  for (size_t after = at + bytes; after < text.size();) {
    const Character c = character_at(text, after);
    after += c.bytes;
    if (!contains(kCaseIgnorable, c.value)) return !is_cased(c.value);
  }
  return true;
}

constexpr char32_t kCapitalSigma = 0x3a3, kSmallSigma = 0x3c3, kFinalSigma = 0x3c2;

void append_lower(std::string& out, std::string_view text, size_t at, Character c) {
  if (c.value == kCapitalSigma) {
    append_utf8(out, is_final_sigma(text, at, c.bytes) ? kFinalSigma : kSmallSigma);
  } else if (!append_mapped(out, kToLower, kToLowerSpecial, c.value)) {
    out += text.substr(at, c.bytes);
  }
}

/// Calls convert(out, at, character) for each character.
template <typename Convert>
std::string convert_each(std::string_view text, Convert convert) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    convert(out, at, c);
    at += c.bytes;
  }
  return out;
}

}  // namespace

Character character_at(std::string_view text, size_t at) {
  const auto byte = uint8_t(text[at]);
  if (byte < 0x80) return {byte, 1};
  const CodePoint point = decode_utf8(text.substr(at));
  if (point.length == 0) return {0xdc00u + byte, 1};
  return {point.value, size_t(point.length)};
}

Character character_before(std::string_view text, size_t end) {
  for (size_t bytes = 2; bytes <= 4 && bytes <= end; ++bytes) {
    const Character c = character_at(text, end - bytes);
    if (c.bytes == bytes) return c;
  }
  return character_at(text, end - 1);
}

size_t count_characters(std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count)
    at += uint8_t(text[at]) < 0x80 ? 1 : character_at(text, at).bytes;
  return count;
}

bool is_space(char32_t c) {
  if (c < 0x80) return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20);
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_line_break(char32_t c) {
  return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool is_alpha(char32_t c) {
  return contains(kAlpha, c);
}
bool is_numeric(char32_t c) {
  return contains(kNumeric, c);
}
bool is_digit(char32_t c) {
  return contains(kDigit, c);
}
bool is_decimal(char32_t c) {
  return contains(kDecimal, c);
}
bool is_lower(char32_t c) {
  return contains(kLower, c);
}
bool is_upper(char32_t c) {
  return contains(kUpper, c);
}
bool is_title(char32_t c) {
  return contains(kTitle, c);
}

bool is_printable(char32_t c) {
  const bool surrogate = c >= 0xd800 && c < 0xe000;
  return !surrogate && !contains(kUnprintable, c);
}

std::string to_upper(std::string_view text) {
  return convert_each(text, [&](std::string& out, size_t at, Character c) {
    append_upper(out, text.substr(at, c.bytes), c.value);
  });
}

std::string to_lower(std::string_view text) {
  return convert_each(text,
                      [&](std::string& out, size_t at, Character c) { append_lower(out, text, at, c); });
}

std::string to_title(std::string_view text) {
  bool inside = false;
  return convert_each(text, [&](std::string& out, size_t at, Character c) {
    if (inside) {
      append_lower(out, text, at, c);
    } else {
      append_title(out, text.substr(at, c.bytes), c.value);
    }
    inside = is_cased(c.value);
  });
}

std::string capitalize(std::string_view text) {
  return convert_each(text, [&](std::string& out, size_t at, Character c) {
    if (at == 0) {
      append_title(out, text.substr(0, c.bytes), c.value);
    } else {
      append_lower(out, text, at, c);
    }
  });
}

std::string swap_case(std::string_view text) {
  return convert_each(text, [&](std::string& out, size_t at, Character c) {
    if (is_upper(c.value)) {
      append_lower(out, text, at, c);
    } else if (is_lower(c.value)) {
      append_upper(out, text.substr(at, c.bytes), c.value);
    } else {
      out += text.substr(at, c.bytes);
    }
  });
}

std::string fold_case(std::string_view text) {
  return convert_each(text, [&](std::string& out, size_t at, Character c) {
    if (append_mapped(out, kToFolded, kToFoldedSpecial, c.value)) return;
    if (append_mapped(out, kToLower, kToLowerSpecial, c.value)) return;
    out += text.substr(at, c.bytes);
  });
}

std::string_view strip(std::string_view text, StripEnds ends, const std::string_view* chars) {
  std::u32string set;
  if (chars) {
    for (size_t at = 0; at < chars->size();) {
      const Character c = character_at(*chars, at);
      set += c.value;
      at += c.bytes;
    }
    std::sort(set.begin(), set.end());
  }
  const auto stripped = [&](char32_t c) {
    return chars ? std::binary_search(set.begin(), set.end(), c) : is_space(c);
  };
  while (ends != StripEnds::right && !text.empty()) {
    const Character c = character_at(text, 0);
    if (!stripped(c.value)) break;
    text.remove_prefix(c.bytes);
  }
  while (ends != StripEnds::left && !text.empty()) {
    const Character c = character_before(text, text.size());
    if (!stripped(c.value)) break;
    text.remove_suffix(c.bytes);
  }
  return text;
}

}  // namespace nibble::jinja
