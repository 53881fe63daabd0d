#include "text/jinja/string_methods.h"

#include <algorithm>
#include <cstring>

#include "base/html.h"
#include "text/jinja/format.h"
#include "text/jinja/operators.h"
#include "text/jinja/string_predicates.h"
#include "text/jinja/text.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

/// A result of a method of `self`: Markup stays Markup.
Value result(Runtime& runtime, const Bound& bound, std::string text) {
  return runtime.make_string(std::move(text), bound[0].str().markup);
}

Value parts_list(Runtime& runtime, const Bound& bound, const std::vector<std::string_view>& parts) {
  std::vector<Value> values;
  runtime.budget().charge_product(parts.size(), 4 * kElementBytes);
  for (const std::string_view part : parts) values.push_back(result(runtime, bound, std::string(part)));
  return Value::list(std::move(values));
}

/// An argument that goes into the text: escaped when the text is Markup and it is not.
std::string insertable(const Bound& bound, size_t parameter) {
  const std::string& text = bound.text(parameter);
  return bound[0].str().markup && !bound[parameter].str().markup ? escape_html(text) : text;
}

template <std::string (*Convert)(std::string_view)>
Value converted(Runtime& runtime, const Bound& bound) {
  runtime.budget().charge(bound[0].text().size());
  return result(runtime, bound, Convert(bound[0].text()));
}

template <StripEnds Ends>
Value stripped(Runtime& runtime, const Bound& bound) {
  if (!bound.given(1)) return result(runtime, bound, std::string(strip(bound[0].text(), Ends)));
  const std::string_view chars = bound.text(1);
  runtime.budget().charge(chars.size());
  return result(runtime, bound, std::string(strip(bound[0].text(), Ends, &chars)));
}

// --- splitting and joining ---

size_t find_from(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return found ? size_t(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, int64_t limit) {
  std::vector<std::string_view> parts;
  size_t at = 0;
  while (limit < 0 || int64_t(parts.size()) < limit) {
    const size_t found = find_from(text, separator, at);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(at, found - at));
    at = found + separator.size();
  }
  parts.push_back(text.substr(at));
  return parts;
}

std::vector<std::string_view> split_at_from_end(std::string_view text, std::string_view separator,
                                                int64_t limit) {
  std::vector<std::string_view> parts;
  while ((limit < 0 || int64_t(parts.size()) < limit) && text.size() >= separator.size()) {
    const size_t found = text.rfind(separator);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(found + separator.size()));
    text = text.substr(0, found);
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_at_space(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  for (text = strip(text, StripEnds::left); !text.empty(); text = strip(text, StripEnds::left)) {
    if (limit >= 0 && int64_t(parts.size()) == limit) {
      parts.push_back(text);
      break;
    }
    size_t end = 0;
    while (end < text.size() && !is_space(character_at(text, end).value))
      end += character_at(text, end).bytes;
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

std::vector<std::string_view> split_at_space_from_end(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  for (text = strip(text, StripEnds::right); !text.empty(); text = strip(text, StripEnds::right)) {
    if (limit >= 0 && int64_t(parts.size()) == limit) {
      parts.push_back(text);
      break;
    }
    size_t begin = text.size();
    while (begin > 0 && !is_space(character_before(text, begin).value))
      begin -= character_before(text, begin).bytes;
    parts.push_back(text.substr(begin));
    text = text.substr(0, begin);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

template <bool FromEnd>
Value split(Runtime& runtime, const Bound& bound) {
  const std::string& text = bound[0].text();
  const int64_t limit = bound.integer(2, -1);
  runtime.budget().charge(text.size());
  if (!bound.given(1)) {
    return parts_list(runtime, bound,
                      FromEnd ? split_at_space_from_end(text, limit) : split_at_space(text, limit));
  }
  const std::string& separator = bound.text(1);
  if (separator.empty()) fail("empty separator");
  if (FromEnd) runtime.budget().charge_product(separator.size(), text.size() / 64);
  return parts_list(runtime, bound,
                    FromEnd ? split_at_from_end(text, separator, limit) : split_at(text, separator, limit));
}

Value splitlines(Runtime& runtime, const Bound& bound) {
  runtime.budget().charge(bound[0].text().size());
  return parts_list(runtime, bound, split_lines(bound[0].text(), bound.truth(1, false)));
}

template <bool FromEnd>
Value partition(Runtime& runtime, const Bound& bound) {
  const std::string& text = bound[0].text();
  const std::string& separator = bound.text(1);
  if (separator.empty()) fail("empty separator");
  if (FromEnd) runtime.budget().charge_product(separator.size(), text.size() / 64);
  const auto parts = FromEnd ? split_at_from_end(text, separator, 1) : split_at(text, separator, 1);
  std::vector<std::string> three;
  if (parts.size() == 2) {
    three = {std::string(parts[0]), separator, std::string(parts[1])};
  } else if (FromEnd) {
    three = {"", "", text};
  } else {
    three = {text, "", ""};
  }
  std::vector<Value> values;
  for (std::string& part : three) values.push_back(result(runtime, bound, std::move(part)));
  return Value::tuple(std::move(values));
}

Value join(Runtime& runtime, const Bound& bound) {
  std::vector<std::string> parts;
  for (const Value& item : to_vector(runtime, bound[1])) {
    if (!item.is_string()) {
      fail("sequence item {}: expected str instance, {} found", parts.size(), type_name(item));
    }
    runtime.budget().charge(item.text().size());
    parts.push_back(bound[0].str().markup && !item.str().markup ? escape_html(item.text()) : item.text());
  }
  return result(runtime, bound, join_text(runtime, bound[0].text(), parts));
}

Value replace(Runtime& runtime, const Bound& bound) {
  return result(
      runtime, bound,
      replace_text(runtime, bound[0].text(), bound.text(1), insertable(bound, 2), bound.integer(3, -1)));
}

template <bool FromEnd>
Value remove_affix(Runtime& runtime, const Bound& bound) {
  std::string_view text = bound[0].text();
  const std::string& affix = bound.text(1);
  if (FromEnd && text.ends_with(affix)) text.remove_suffix(affix.size());
  if (!FromEnd && text.starts_with(affix)) text.remove_prefix(affix.size());
  return result(runtime, bound, std::string(text));
}

// --- padding ---

/// Pads to the width given as parameter 1 with the character given as parameter 2.
Value padded(Runtime& runtime, const Bound& bound, size_t (*left_of)(size_t missing, size_t width)) {
  const Str& text = bound[0].str();
  const std::string fill = bound.get(2) ? insertable(bound, 2) : " ";
  if (bound.get(2) && bound[2].str().length != 1)
    fail("The fill character must be exactly one character long");
  const auto width = size_t(std::max<int64_t>(bound.integer(1, 0), 0));
  const size_t missing = width > text.length ? width - text.length : 0;
  runtime.budget().charge_product(missing, fill.size());
  const size_t left = left_of(missing, width);
  std::string out;
  for (size_t i = 0; i < left; ++i) out += fill;
  out += text.text;
  for (size_t i = left; i < missing; ++i) out += fill;
  return result(runtime, bound, std::move(out));
}

Value center(Runtime& runtime, const Bound& bound) {
  return padded(runtime, bound,
                [](size_t missing, size_t width) { return missing / 2 + (missing & width & 1); });
}
Value ljust(Runtime& runtime, const Bound& bound) {
  return padded(runtime, bound, [](size_t, size_t) { return size_t(0); });
}
Value rjust(Runtime& runtime, const Bound& bound) {
  return padded(runtime, bound, [](size_t missing, size_t) { return missing; });
}

Value zfill(Runtime& runtime, const Bound& bound) {
  const Str& text = bound[0].str();
  const auto width = size_t(std::max<int64_t>(bound.integer(1, 0), 0));
  const size_t missing = width > text.length ? width - text.length : 0;
  runtime.budget().charge(missing);
  std::string out = text.text;
  out.insert(out.starts_with('-') || out.starts_with('+') ? 1 : 0, missing, '0');
  return result(runtime, bound, std::move(out));
}

Value expandtabs(Runtime& runtime, const Bound& bound) {
  const int64_t size = bound.integer(1, 8);
  const std::string& text = bound[0].text();
  std::string out;
  int64_t column = 0;
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (c.value == '\t') {
      const int64_t spaces = size > 0 ? size - column % size : 0;
      runtime.budget().charge(uint64_t(spaces));
      out.append(size_t(spaces), ' ');
      column += spaces;
    } else {
      out += text.substr(at, c.bytes);
      column = c.value == '\n' || c.value == '\r' ? 0 : column + 1;
    }
    at += c.bytes;
  }
  return result(runtime, bound, std::move(out));
}

// --- formatting ---

Value format(Runtime& runtime, const Bound& bound) {
  return format_braces(runtime, bound[0], bound.rest);
}

Value format_map(Runtime& runtime, const Bound& bound) {
  if (!bound[1].is_dict()) fail("format_map() takes a dict, not {}", type_name(bound[1]));
  Arguments arguments;
  runtime.budget().charge_elements(2 * bound[1].as_dict().size());
  for (const auto& [key, value] : bound[1].as_dict().entries()) {
    if (key.is_string()) arguments.keywords.emplace_back(key.text(), value);
  }
  return format_braces(runtime, bound[0], arguments);
}

}  // namespace

std::string replace_text(Runtime& runtime, std::string_view text, std::string_view from, std::string_view to,
                         int64_t limit) {
  runtime.budget().charge(text.size());
  std::vector<size_t> places;
  for (size_t at = 0; limit < 0 || int64_t(places.size()) < limit;) {
    const size_t found = find_from(text, from, at);
    if (found == std::string_view::npos) break;
    places.push_back(found);
    at = found + from.size();
    // An empty text is found before each character and at the end.
    if (from.empty()) at += at < text.size() ? character_at(text, at).bytes : 1;
  }
  runtime.budget().charge_product(places.size(), to.size() + sizeof(size_t));
  std::string out;
  out.reserve(text.size() - places.size() * from.size() + places.size() * to.size());
  size_t at = 0;
  for (const size_t found : places) {
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
  }
  return out.append(text.substr(at));
}

std::string join_text(Runtime& runtime, std::string_view separator, const std::vector<std::string>& parts) {
  runtime.budget().charge_product(parts.size(), separator.size());
  uint64_t size = 0;
  for (const std::string& part : parts) size += part.size();
  runtime.budget().charge(size);
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    const size_t end = at;
    at += c.bytes;
    if (!is_line_break(c.value)) continue;
    if (c.value == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(begin, (keep_ends ? at : end) - begin));
    begin = at;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

const BuiltinTable& string_methods() {
  static const Builtin kMethods[] = {
      {"capitalize", "self /", converted<capitalize>},
      {"casefold", "self /", converted<fold_case>},
      {"center", "self width fillchar? /", center},
      {"expandtabs", "self tabsize?", expandtabs},
      {"format", "self / * **", format},
      {"format_map", "self mapping /", format_map},
      {"join", "self iterable /", join},
      {"ljust", "self width fillchar? /", ljust},
      {"lower", "self /", converted<to_lower>},
      {"lstrip", "self chars? /", stripped<StripEnds::left>},
      {"partition", "self sep /", partition<false>},
      {"removeprefix", "self prefix /", remove_affix<false>},
      {"removesuffix", "self suffix /", remove_affix<true>},
      {"replace", "self old new count? /", replace},
      {"rjust", "self width fillchar? /", rjust},
      {"rpartition", "self sep /", partition<true>},
      {"rsplit", "self sep? maxsplit?", split<true>},
      {"rstrip", "self chars? /", stripped<StripEnds::right>},
      {"split", "self sep? maxsplit?", split<false>},
      {"splitlines", "self keepends?", splitlines},
      {"strip", "self chars? /", stripped<StripEnds::both>},
      {"swapcase", "self /", converted<swap_case>},
      {"title", "self /", converted<to_title>},
      {"upper", "self /", converted<to_upper>},
      {"zfill", "self width /", zfill},
  };
  static const BuiltinTable kTable{std::span<const Builtin>(kMethods), string_predicates()};
  return kTable;
}

}  // namespace nibble::jinja
