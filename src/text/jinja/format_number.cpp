#include "text/jinja/format_number.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "text/jinja/format.h"
#include "text/jinja/text.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

std::string sign_text(bool negative, char sign) {
  if (negative) return "-";
  return sign == '-' ? "" : std::string(1, sign);
}

std::string print_double(const char* format, int precision, double value) {
  const int size = std::snprintf(nullptr, 0, format, precision, value);
  std::string text(size_t(size) + 1, '\0');
  std::snprintf(text.data(), text.size(), format, precision, value);
  text.pop_back();
  return text;
}

/// The digits of a finite, non-negative value.
std::string float_digits(double value, char type, const FieldLayout& layout) {
  if (type == 'r' && layout.precision < 0) return float_text(value);
  const int precision = layout.precision < 0 ? 6 : int(layout.precision);
  switch (type) {
    case 'e':
      return print_double(layout.alternate ? "%#.*e" : "%.*e", precision, value);
    case 'E':
      return print_double(layout.alternate ? "%#.*E" : "%.*E", precision, value);
    case 'g':
      return print_double(layout.alternate ? "%#.*g" : "%.*g", precision, value);
    case 'G':
      return print_double(layout.alternate ? "%#.*G" : "%.*G", precision, value);
    case '%':
      return print_double(layout.alternate ? "%#.*f" : "%.*f", precision, value * 100) + "%";
    case 'r': {
      // format(x, ".3") is as g, but always shows it is a float; exponents begin one digit earlier.
      std::string text = print_double("%.*g", std::max(precision, 1), value);
      const std::string digits = print_double("%.*e", std::max(precision, 1) - 1, value);
      const int exponent = std::atoi(digits.c_str() + digits.find('e') + 1);
      if (exponent == std::max(precision, 1) - 1 && text.find('e') == std::string::npos) {
        text = digits.substr(0, digits.find('e'));
        while (text.find('.') != std::string::npos && (text.back() == '0' || text.back() == '.')) {
          const bool point = text.back() == '.';
          text.pop_back();
          if (point) break;
        }
        return text + digits.substr(digits.find('e'));
      }
      return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
    }
    default:
      return print_double(layout.alternate ? "%#.*f" : "%.*f", precision, value);
  }
}

/// Puts the separator between groups of the whole part's digits.
std::string group_digits(const std::string& digits, char separator, size_t size) {
  const size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % size == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(whole);
}

/// Padding on both sides of what is `length` characters long.
std::pair<std::string, std::string> padding(Runtime& runtime, size_t length, const FieldLayout& layout,
                                            char align) {
  if (layout.width <= int64_t(length)) return {};
  const auto missing = size_t(layout.width) - length;
  runtime.budget().charge_product(missing, layout.fill.size());
  const size_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  const auto repeat = [&](size_t count) {
    std::string out;
    for (size_t i = 0; i < count; ++i) out += layout.fill;
    return out;
  };
  return {repeat(left), repeat(missing - left)};
}

}  // namespace

NumberParts int_parts(Int value, char type, const FieldLayout& layout) {
  NumberParts parts;
  parts.sign = sign_text(value < 0, layout.sign);
  if (type == 'd') {
    parts.digits = int_text(value);
    if (value < 0) parts.digits.erase(0, 1);
  } else {
    const unsigned base = type == 'o' ? 8 : type == 'b' ? 2 : 16;
    const char* digits = type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    auto rest = value < 0 ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
    do {
      parts.digits += digits[int(rest % base)];
      rest /= base;
    } while (rest != 0);
    std::reverse(parts.digits.begin(), parts.digits.end());
    if (layout.alternate) parts.prefix = {'0', type};
  }
  if (layout.grouping) parts.digits = group_digits(parts.digits, layout.grouping, type == 'd' ? 3 : 4);
  return parts;
}

NumberParts float_parts(double value, char type, const FieldLayout& layout) {
  NumberParts parts;
  parts.sign = sign_text(std::signbit(value) && !std::isnan(value), layout.sign);
  if (!std::isfinite(value)) {
    const bool upper = type == 'E' || type == 'F' || type == 'G';
    parts.digits = std::isnan(value) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
    if (type == '%') parts.digits += '%';
    return parts;
  }
  parts.digits = float_digits(std::abs(value), type, layout);
  if (layout.grouping) {
    const size_t whole = std::min(parts.digits.find_first_not_of("0123456789"), parts.digits.size());
    parts.digits =
        group_digits(parts.digits.substr(0, whole), layout.grouping, 3) + parts.digits.substr(whole);
  }
  return parts;
}

std::string lay_out_number(Runtime& runtime, const NumberParts& parts, const FieldLayout& layout) {
  const std::string head = parts.sign + parts.prefix;
  const char align = layout.align ? layout.align : '>';
  const auto [left, right] = padding(runtime, head.size() + parts.digits.size(), layout, align);
  if (align == '=') return head + left + parts.digits;
  return left + head + parts.digits + right;
}

std::string lay_out_text(Runtime& runtime, std::string text, const FieldLayout& layout) {
  size_t length = count_characters(text);
  if (layout.precision >= 0 && length > size_t(layout.precision)) {
    size_t end = 0;
    for (int64_t i = 0; i < layout.precision; ++i) end += character_at(text, end).bytes;
    text.resize(end);
    length = size_t(layout.precision);
  }
  const auto [left, right] = padding(runtime, length, layout, layout.align ? layout.align : '<');
  return left + text + right;
}

int64_t read_count(std::string_view text, size_t& at, int64_t limit) {
  if (at >= text.size() || text[at] < '0' || text[at] > '9') return -1;
  int64_t value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    value = value * 10 + (text[at] - '0');
    if (value > limit) fail("a width or precision in a format string is above {}", limit);
  }
  return value;
}

double round_decimals(double value, int64_t decimals) {
  if (!std::isfinite(value) || decimals > 400) return value;
  if (decimals >= 0) return std::stod(print_double("%.*f", int(decimals), value));
  const double magnitude = std::abs(value);
  std::string digits = print_double("%.*f", 0, std::trunc(magnitude));
  if (decimals < -int64_t(digits.size())) return std::copysign(0.0, value);
  const size_t whole = digits.size() - size_t(-decimals);  // digits that stay
  const std::string rest = digits.substr(whole);
  const std::string half = "5" + std::string(rest.size() - 1, '0');
  const bool odd = whole > 0 && (digits[whole - 1] - '0') % 2 == 1;
  const bool above_half = rest > half || (rest == half && magnitude != std::trunc(magnitude));
  digits = "0" + digits.substr(0, whole);
  if (above_half || (rest == half && odd)) {
    size_t at = digits.size() - 1;
    while (digits[at] == '9') digits[at--] = '0';
    ++digits[at];
  }
  return std::copysign(std::stod(digits + std::string(rest.size(), '0')), value);
}

}  // namespace nibble::jinja
