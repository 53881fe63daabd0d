#include "text/jinja/string_literal.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "base/utf8.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

bool is_digit_of(char c, int base) {
  const int value = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'z' ? (c | 32) - 'a' + 10
                                                         : 99;
  return value < base;
}

int digit_value(char c) {
  return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

/// The bytes of digits of this base, each possibly after one underscore where `first` allows even that.
size_t scan_digits(std::string_view text, size_t at, int base, bool underscore_first = false) {
  const size_t begin = at;
  while (at < text.size()) {
    const bool underscore = text[at] == '_' && (at > begin || underscore_first);
    const size_t digit = at + (underscore ? 1 : 0);
    if (digit >= text.size() || !is_digit_of(text[digit], base)) break;
    at = digit + 1;
  }
  return at - begin;
}

std::string without_underscores(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '_') out += c;
  }
  return out;
}

/// Digits to a number; nothing when it is too large.
std::optional<Int> to_int(std::string_view digits, int base) {
  Int value = 0;
  for (const char c : digits) {
    if (c == '_') continue;
    if (__builtin_mul_overflow(value, Int(base), &value)) return std::nullopt;
    if (__builtin_add_overflow(value, Int(digit_value(c)), &value)) return std::nullopt;
  }
  return value;
}

int prefix_base(std::string_view text) {
  if (text.size() < 2 || text[0] != '0') return 0;
  const char c = char(text[1] | 32);
  return c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 0;
}

/// The bytes of a float literal at the beginning: a fraction, an exponent or both after digits.
size_t scan_float(std::string_view text) {
  const size_t whole = scan_digits(text, 0, 10);
  if (whole == 0) return 0;
  size_t at = whole;
  if (at < text.size() && text[at] == '.') {
    const size_t fraction = scan_digits(text, at + 1, 10);
    if (fraction > 0) at += 1 + fraction;
  }
  if (at < text.size() && (text[at] | 32) == 'e') {
    size_t exponent = at + 1;
    if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
    const size_t digits = scan_digits(text, exponent, 10);
    if (digits > 0) at = exponent + digits;
  }
  return at > whole ? at : 0;
}

class Unescaper {
 public:
  explicit Unescaper(std::string_view text) : text_(text) {}

  std::optional<std::string> run() {
    while (at_ < text_.size()) {
      if (text_[at_] != '\\') {
        out_ += text_[at_++];
      } else if (++at_ >= text_.size() || !escape()) {
        return std::nullopt;
      }
    }
    return std::move(out_);
  }

 private:
  bool escape() {
    const char c = text_[at_];
    constexpr std::string_view kNames = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
    if (const size_t simple = kNames.find(c); simple != std::string_view::npos) {
      out_ += kValues[simple];
      ++at_;
      return true;
    }
    if (c == '\n') {
      ++at_;
      return true;
    }
    if (c >= '0' && c <= '7') return octal();
    if (c == 'x' || c == 'u' || c == 'U') return hexadecimal(c == 'x' ? 2 : c == 'u' ? 4 : 8);
    if (c == 'N') return false;  // names of characters are not known here
    unknown();
    return true;
  }

  bool octal() {
    uint32_t code = 0;
    for (int i = 0; i < 3 && at_ < text_.size() && is_digit_of(text_[at_], 8); ++i) {
      code = code * 8 + uint32_t(text_[at_++] - '0');
    }
    append_utf8(out_, code);
    return true;
  }

  bool hexadecimal(size_t digits) {
    ++at_;
    if (at_ + digits > text_.size()) return false;
    char32_t code = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      if (!is_digit_of(text_[at_], 16)) return false;
      code = code * 16 + char32_t(digit_value(text_[at_]));
    }
    if (code > 0x10ffff) return false;
    append_utf8(out_, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
    return true;
  }

  /// The backslash stays. jinja2 escapes what is not ASCII before it decodes, so that a backslash before
  /// such a character leaves the character's escape in the text.
  void unknown() {
    const Character c = character_at(text_, at_);
    out_ += '\\';
    if (c.value < 0x80) {
      out_ += char(c.value);
    } else if (c.value <= 0xff) {
      out_ += fmt::format("x{:02x}", uint32_t(c.value));
    } else {
      const auto code = uint32_t(c.value);
      out_ += code > 0xffff ? fmt::format("U{:08x}", code) : fmt::format("u{:04x}", code);
    }
    at_ += c.bytes;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

NumberLiteral read_number(std::string_view text, bool may_be_float) {
  if (may_be_float) {
    if (const size_t bytes = scan_float(text)) {
      return {bytes, Value::real(std::strtod(without_underscores(text.substr(0, bytes)).c_str(), nullptr))};
    }
  }
  const int base = prefix_base(text);
  size_t bytes = base ? scan_digits(text, 2, base, true) : 0;
  std::string_view digits = text.substr(0, 0);
  if (bytes > 0) {
    digits = text.substr(2, bytes);
    bytes += 2;
  } else if (!text.empty() && text[0] == '0') {
    bytes = 1;
    while (text.substr(bytes).starts_with('0') || text.substr(bytes).starts_with("_0"))
      bytes += text[bytes] == '_' ? 2 : 1;
    digits = text.substr(0, bytes);
  } else {
    bytes = scan_digits(text, 0, 10);
    digits = text.substr(0, bytes);
  }
  if (bytes == 0) return {};
  const auto value = to_int(digits, base && bytes > 2 ? base : 10);
  return {bytes, value ? std::optional<Value>(Value::integer(*value)) : std::nullopt};
}

std::optional<std::string> unescape(std::string_view text) {
  return Unescaper(text).run();
}

std::optional<Int> parse_int(std::string_view text, int base) {
  text = strip(text, StripEnds::both);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const int prefix = prefix_base(text);
  bool after_prefix = false;
  if (prefix && (base == prefix || base == 0)) {
    text.remove_prefix(2);
    base = prefix;
    after_prefix = true;
  } else if (base == 0) {
    base = 10;
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != std::string_view::npos)
      return std::nullopt;
  }
  if (text.empty() || scan_digits(text, 0, base, after_prefix) != text.size()) return std::nullopt;
  const auto value = to_int(text, base);
  if (!value) fail("an integer is too large");
  return negative ? -*value : *value;
}

std::optional<double> parse_float(std::string_view text) {
  text = strip(text, StripEnds::both);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::string lower;
  for (const char c : text) lower += char(c >= 'A' && c <= 'Z' ? c | 32 : c);
  const double sign = negative ? -1.0 : 1.0;
  if (lower == "inf" || lower == "infinity") return sign * HUGE_VAL;
  if (lower == "nan") return std::strtod("nan", nullptr);
  // Unlike literals, text may have digits on one side of the point only.
  size_t at = scan_digits(text, 0, 10);
  size_t digits = at;
  if (at < text.size() && text[at] == '.') {
    const size_t fraction = scan_digits(text, at + 1, 10);
    digits += fraction;
    at += 1 + fraction;
  }
  if (digits == 0) return std::nullopt;
  if (at < text.size() && (text[at] | 32) == 'e') {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const size_t exponent = scan_digits(text, at, 10);
    if (exponent == 0) return std::nullopt;
    at += exponent;
  }
  if (at != text.size()) return std::nullopt;
  return sign * std::strtod(without_underscores(text).c_str(), nullptr);
}

}  // namespace nibble::jinja
