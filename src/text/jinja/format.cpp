#include "text/jinja/format.h"

#include <cmath>

#include "base/html.h"
#include "base/utf8.h"
#include "text/jinja/format_number.h"
#include "text/jinja/operators.h"
#include "text/jinja/subscript.h"
#include "text/jinja/text.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

/// text % values.
class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const Value& format, const Value& values)
      : runtime_(runtime), format_(format.text()), markup_(format.str().markup), values_(values) {}

  std::string run() {
    std::string out;
    while (at_ < format_.size()) {
      const size_t percent = std::min(format_.find('%', at_), format_.size());
      out += format_.substr(at_, percent - at_);
      at_ = percent + 1;
      if (percent < format_.size()) out += conversion();
    }
    // Python asks whether the value could be indexed, and forgives that nothing uses it.
    const bool indexable = values_.is_object() && values_.as_object().is_sequence();
    const bool mapping = values_.is_dict() || values_.is_list() || values_.is_undefined() || indexable;
    if (!mapping && used_ < (values_.is_tuple() ? values_.items().size() : 1)) {
      fail("not all arguments converted during string formatting");
    }
    return out;
  }

 private:
  std::string conversion() {
    std::optional<Value> keyed;
    if (peek() == '(') keyed = mapping_value();
    FieldLayout layout;
    bool left = false, zero = false;
    for (; std::string_view("-+ #0").find(peek()) != std::string_view::npos && peek(); ++at_) {
      left |= peek() == '-';
      zero |= peek() == '0';
      if (peek() == '+' || (peek() == ' ' && layout.sign == '-')) layout.sign = peek();
      layout.alternate |= peek() == '#';
    }
    layout.width = std::max<int64_t>(count(kMaxFieldWidth, &left), 0);
    if (peek() == '.') {
      ++at_;
      layout.precision = std::max<int64_t>(count(kMaxPrecision, nullptr), 0);
    }
    while (peek() == 'h' || peek() == 'l' || peek() == 'L') ++at_;
    if (at_ >= format_.size()) fail("incomplete format");
    const char type = format_[at_++];
    if (type == '%') return "%";
    const Value value = keyed ? *keyed : next_value();
    layout.align = left ? '<' : '>';
    return convert(type, value, layout, zero && !left);
  }

  std::string convert(char type, const Value& value, FieldLayout layout, bool zero) {
    switch (type) {
      case 's': {
        const bool escape = markup_ && !(value.is_string() && value.str().markup);
        std::string text = to_text(runtime_, value);
        return lay_out_text(runtime_, escape ? escape_html(text) : std::move(text), layout);
      }
      case 'r':
        return lay_out_text(runtime_, repr(runtime_, value), layout);
      case 'a':
        return lay_out_text(runtime_, value.is_string() ? quoted_ascii(value.text()) : repr(runtime_, value),
                            layout);
      case 'c':
        return lay_out_text(runtime_, one_character(value), layout);
      default:
        break;
    }
    require_defined(value);
    const std::string_view floats = "eEfFgG", ints = "diuxXo";
    if (floats.find(type) == std::string_view::npos && ints.find(type) == std::string_view::npos) {
      fail("unsupported format character '{}'", type);
    }
    const bool is_float = floats.find(type) != std::string_view::npos;
    const bool truncates = (type == 'd' || type == 'i' || type == 'u') && value.is_float();
    if (is_float ? !value.is_number() : !value.is_int() && !truncates) {
      fail("%{} format: {} is required, not {}", type, is_float ? "a real number" : "an integer",
           type_name(value));
    }
    if (zero) {
      layout.fill = "0";
      layout.align = '=';
    }
    if (is_float) return lay_out_number(runtime_, float_parts(value.as_double(), type, layout), layout);
    const char base = type == 'i' || type == 'u' ? 'd' : type;
    NumberParts parts = int_parts(truncates ? truncated(value.as_double()) : value.as_int(), base, layout);
    if (layout.precision > int64_t(parts.digits.size())) {
      parts.digits.insert(0, size_t(layout.precision) - parts.digits.size(), '0');
    }
    return lay_out_number(runtime_, parts, layout);
  }

  static Int truncated(double value) {
    if (!(std::abs(value) < 0x1p126)) fail("a float is too large for an integer");
    return Int(value);
  }

  std::string one_character(const Value& value) {
    if (value.is_string() && value.str().length == 1) return value.text();
    if (!value.is_int()) fail("%c requires int or char");
    return character_text(value);
  }

  static std::string character_text(const Value& value) {
    const Int code = value.as_int();
    if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
      fail("%c arg not in range(0x110000)");
    std::string out;
    append_utf8(out, char32_t(code));
    return out;
  }

  Value mapping_value() {
    size_t end = ++at_;
    for (int open = 1; end < format_.size(); ++end) {
      if (format_[end] == '(') ++open;
      if (format_[end] == ')' && --open == 0) break;
    }
    if (end >= format_.size()) fail("incomplete format key");
    const std::string key = format_.substr(at_, end - at_);
    at_ = end + 1;
    if (!values_.is_dict()) fail("format requires a mapping");
    const Value* value = values_.as_dict().find(key);
    if (!value) fail("no key {} for the format string", in_quotes(key));
    return *value;
  }

  Value next_value() {
    if (!values_.is_tuple()) {
      if (used_++ > 0) fail("not enough arguments for format string");
      return values_;
    }
    if (used_ >= values_.items().size()) fail("not enough arguments for format string");
    return values_.items()[used_++];
  }

  /// A number or * in a width or precision; a negative width from * aligns to the left.
  int64_t count(int64_t limit, bool* left) {
    if (peek() != '*') return read_count(format_, at_, limit);
    ++at_;
    int64_t number = to_index(next_value());
    if (left && number < 0) {
      *left = true;
      number = -std::max(number, -limit);
    }
    if (number > limit) fail("a width or precision in a format string is above {}", limit);
    return number;
  }

  char peek() const { return at_ < format_.size() ? format_[at_] : '\0'; }

  Runtime& runtime_;
  const std::string& format_;
  bool markup_;
  const Value& values_;
  size_t at_ = 0, used_ = 0;
};

/// The format specification mini-language: [[fill]align][sign][z][#][0][width][grouping][.precision][type].
struct FormatSpec {
  FieldLayout layout;
  char type = '\0';

  explicit FormatSpec(std::string_view spec) {
    constexpr std::string_view kAligns = "<>=^";
    size_t at = 0;
    const size_t first = spec.empty() ? 0 : character_at(spec, 0).bytes;
    if (first > 0 && first < spec.size() && kAligns.find(spec[first]) != std::string_view::npos) {
      layout.fill = std::string(spec.substr(0, first));
      layout.align = spec[first];
      at = first + 1;
    } else if (!spec.empty() && kAligns.find(spec[0]) != std::string_view::npos) {
      layout.align = spec[at++];
    }
    const auto peek = [&] { return at < spec.size() ? spec[at] : '\0'; };
    if (peek() == '+' || peek() == '-' || peek() == ' ') layout.sign = spec[at++];
    if (peek() == '#') {
      layout.alternate = true;
      ++at;
    }
    if (peek() == '0') {
      ++at;
      if (layout.fill == " ") layout.fill = "0";
      if (!layout.align) layout.align = '=';
    }
    layout.width = std::max<int64_t>(read_count(spec, at, kMaxFieldWidth), 0);
    if (peek() == ',' || peek() == '_') layout.grouping = spec[at++];
    if (peek() == '.') {
      ++at;
      layout.precision = read_count(spec, at, kMaxPrecision);
      if (layout.precision < 0) fail("Format specifier missing precision");
    }
    if (at < spec.size()) type = spec[at++];
    if (at < spec.size()) fail("Invalid format specifier '{}'", spec);
  }
};

[[noreturn]] void fail_format_code(char type, const Value& value) {
  fail("Unknown format code '{}' for object of type '{}'", type, type_name(value));
}

std::string format_text_spec(Runtime& runtime, const Value& value, FormatSpec spec) {
  if (spec.type != '\0' && spec.type != 's') fail_format_code(spec.type, value);
  if (spec.layout.align == '=') {
    if (spec.layout.fill != "0") fail("'=' alignment not allowed in string format specifier");
    spec.layout.align = '<';
  }
  return lay_out_text(runtime, value.text(), spec.layout);
}

std::string format_number_spec(Runtime& runtime, const Value& value, const FormatSpec& spec) {
  const std::string_view int_types = "dxXobcn", float_types = "eEfFgG%n";
  if (value.is_int() && (spec.type == '\0' || int_types.find(spec.type) != std::string_view::npos)) {
    if (spec.layout.precision >= 0) fail("Precision not allowed in integer format specifier");
    const char type = spec.type == '\0' || spec.type == 'n' ? 'd' : spec.type;
    if (type == 'c')
      return lay_out_text(runtime, format_percent(runtime, Value::string("%c"), value).text(), spec.layout);
    return lay_out_number(runtime, int_parts(value.as_int(), type, spec.layout), spec.layout);
  }
  if (spec.type != '\0' && float_types.find(spec.type) == std::string_view::npos)
    fail_format_code(spec.type, value);
  const char type = spec.type == '\0' ? 'r' : spec.type == 'n' ? 'g' : spec.type;
  return lay_out_number(runtime, float_parts(value.as_double(), type, spec.layout), spec.layout);
}

/// text.format(...): string.Formatter with jinja2's lookups.
class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Arguments& arguments) : runtime_(runtime), arguments_(arguments) {}

  std::string run(std::string_view format, bool markup, int depth = 2) {
    if (depth < 0) fail("Max string recursion exceeded");
    std::string out;
    for (size_t at = 0; at < format.size();) {
      const char c = format[at++];
      if (c != '{' && c != '}') {
        out += c;
      } else if (at < format.size() && format[at] == c) {
        out += c;
        ++at;
      } else if (c == '}') {
        fail("Single '}}' encountered in format string");
      } else {
        const size_t end = field_end(format, at);
        out += field(format.substr(at, end - at), markup, depth);
        at = end + 1;
      }
    }
    return out;
  }

 private:
  static size_t field_end(std::string_view format, size_t at) {
    for (int open = 1; at < format.size(); ++at) {
      if (format[at] == '{') ++open;
      if (format[at] == '}' && --open == 0) return at;
    }
    fail("expected '}}' before end of string");
  }

  std::string field(std::string_view text, bool markup, int depth) {
    const size_t name_end = std::min(text.find_first_of("!:"), text.size());
    Value value = lookup(text.substr(0, name_end));
    std::string_view rest = text.substr(name_end);
    if (rest.starts_with('!')) {
      if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':'))
        fail("expected ':' after conversion specifier");
      value = converted(value, rest[1]);
      rest.remove_prefix(2);
    }
    const std::string spec = rest.empty() ? "" : run(rest.substr(1), false, depth - 1);
    std::string formatted = format_value(runtime_, value, spec);
    const bool escape = markup && !(value.is_string() && value.str().markup);
    return escape ? escape_html(formatted) : formatted;
  }

  Value converted(const Value& value, char conversion) {
    if (conversion == 's') return Value::string(to_text(runtime_, value));
    if (conversion == 'r') return Value::string(repr(runtime_, value));
    if (conversion == 'a')
      return Value::string(value.is_string() ? quoted_ascii(value.text()) : repr(runtime_, value));
    fail("Unknown conversion specifier {}", conversion);
  }

  /// A name or number, then .attributes and [elements].
  Value lookup(std::string_view name) {
    const size_t first_end = std::min(name.find_first_of(".["), name.size());
    Value value = argument(name.substr(0, first_end));
    for (size_t at = first_end; at < name.size();) {
      if (name[at] == '.') {
        const size_t end = std::min(name.find_first_of(".[", at + 1), name.size());
        if (end == at + 1) fail("Empty attribute in format string");
        value = get_attribute(value, std::string(name.substr(at + 1, end - at - 1)));
        at = end;
      } else {
        const size_t end = name[at] == '[' ? name.find(']', at) : std::string_view::npos;
        if (end == std::string_view::npos) fail("a field of a format string is not well formed");
        value = get_item(runtime_, value, element_key(name.substr(at + 1, end - at - 1)));
        at = end + 1;
      }
    }
    return value;
  }

  static Value element_key(std::string_view text) {
    size_t at = 0;
    const int64_t number = text.size() < 18 ? read_count(text, at, INT64_MAX / 16) : -1;
    return number >= 0 && at == text.size() ? Value::integer(number) : Value::string(std::string(text));
  }

  Value argument(std::string_view name) {
    if (name.empty()) return positional(next_++);
    const Value key = element_key(name);
    if (key.is_int()) return positional(size_t(key.as_int()));
    for (const auto& [keyword, value] : arguments_.keywords) {
      if (keyword == name) return value;
    }
    fail("the format string names {}, which is not given", in_quotes(name));
  }

  Value positional(size_t index) {
    if (index < arguments_.positional.size()) return arguments_.positional[index];
    fail("Replacement index {} out of range for positional args tuple", index);
  }

  Runtime& runtime_;
  const Arguments& arguments_;
  size_t next_ = 0;
};

}  // namespace

Value format_percent(Runtime& runtime, const Value& format, const Value& values) {
  return runtime.make_string(PercentFormatter(runtime, format, values).run(), format.str().markup);
}

Value format_braces(Runtime& runtime, const Value& format, const Arguments& arguments) {
  const bool markup = format.str().markup;
  return runtime.make_string(BraceFormatter(runtime, arguments).run(format.text(), markup), markup);
}

std::string format_value(Runtime& runtime, const Value& value, std::string_view spec) {
  if (spec.empty()) return to_text(runtime, value);
  if (value.is_string()) return format_text_spec(runtime, value, FormatSpec(spec));
  if (value.is_number()) return format_number_spec(runtime, value, FormatSpec(spec));
  fail("unsupported format string passed to {}.__format__", type_name(value));
}

}  // namespace nibble::jinja
