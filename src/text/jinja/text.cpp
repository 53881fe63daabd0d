#include "text/jinja/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

/// Prints repr() of nested values. The whole value is charged before it starts.
class ReprWriter {
 public:
  explicit ReprWriter(Runtime& runtime) : runtime_(runtime) {}

  void write(const Value& value) {
    if (value.is_list()) {
      write_items(value.items(), "[", "]");
    } else if (value.is_tuple()) {
      write_items(value.items(), "(", value.items().size() == 1 ? ",)" : ")");
    } else if (value.is_dict()) {
      write_dict(value.as_dict());
    } else {
      out += repr(runtime_, value);
    }
  }

  std::string out;

 private:
  void write_items(const std::vector<Value>& items, const char* open, const char* close) {
    out += open;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out += ", ";
      write(items[i]);
    }
    out += close;
  }

  void write_dict(const Dict& dict) {
    out += '{';
    for (const auto& [key, value] : dict.entries()) {
      if (out.back() != '{' || &key != &dict.entries().front().first) out += ", ";
      write(key);
      out += ": ";
      write(value);
    }
    out += '}';
  }

  Runtime& runtime_;
};

void append_escape(std::string& out, char32_t c, bool surrogate_byte) {
  const auto code = uint32_t(c);
  if (surrogate_byte || code > 0xff) {
    out += code > 0xffff ? fmt::format("\\U{:08x}", code) : fmt::format("\\u{:04x}", code);
  } else {
    out += fmt::format("\\x{:02x}", code);
  }
}

std::string quote(std::string_view text, bool ascii_only) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char mark = has_single && !has_double ? '"' : '\'';
  std::string out(1, mark);
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (c.value == char32_t(mark) || c.value == '\\') {
      out += '\\';
      out += char(c.value);
    } else if (c.value == '\n' || c.value == '\r' || c.value == '\t') {
      out += c.value == '\n' ? "\\n" : c.value == '\r' ? "\\r" : "\\t";
    } else if (!is_printable(c.value) || (ascii_only && c.value >= 0x80)) {
      append_escape(out, c.value, c.value >= 0xdc00 && c.value < 0xe000);
    } else {
      out += text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  return out + mark;
}

}  // namespace

std::string int_text(Int value) {
  char digits[48];
  char* at = digits + sizeof digits;
  unsigned __int128 rest =
      value < 0 ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  do {
    *--at = char('0' + int(rest % 10));
    rest /= 10;
  } while (rest != 0);
  if (value < 0) *--at = '-';
  return std::string(at, size_t(digits + sizeof digits - at));
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string text(buffer, result.ptr);
  const size_t e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  if (exponent < -4 || exponent >= 16) return text;
  const bool negative = text[0] == '-';
  std::string digits = text.substr(negative, e - negative);
  if (digits.size() > 1) digits.erase(1, 1);
  if (exponent < 0) {
    digits = "0." + std::string(size_t(-exponent - 1), '0') + digits;
  } else {
    const auto whole = size_t(exponent) + 1;
    if (digits.size() < whole) digits.append(whole - digits.size(), '0');
    digits.insert(whole, ".");
    if (digits.back() == '.') digits += '0';
  }
  return (negative ? "-" : "") + digits;
}

std::string in_quotes(std::string_view text) {
  return quote(text, false);
}
std::string quoted_ascii(std::string_view text) {
  return quote(text, true);
}

std::string to_text(Runtime& runtime, const Value& value) {
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return "";
  return repr(runtime, value);
}

std::string repr(Runtime& runtime, const Value& value) {
  if (value.is_none()) return "None";
  if (value.is_undefined()) return "Undefined";
  if (value.is_bool()) return value.as_bool() ? "True" : "False";
  if (value.is_int()) return int_text(value.as_int());
  if (value.is_float()) return float_text(value.as_double());
  if (value.is_string())
    return value.str().markup ? "Markup(" + in_quotes(value.text()) + ")" : in_quotes(value.text());
  if (value.is_object()) {
    const Runtime::Level level(runtime);
    return value.as_object().repr(runtime);
  }
  runtime.budget().charge(value.deep_bytes());
  ReprWriter writer(runtime);
  writer.write(value);
  return writer.out;
}

}  // namespace nibble::jinja
