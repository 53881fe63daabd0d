#include "text/jinja/string_predicates.h"

#include <algorithm>
#include <cstring>

#include "text/jinja/operators.h"
#include "text/jinja/text.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

/// The part of self between the parameters `first` and `first + 1`, and where it begins.
struct Window {
  std::string_view text;
  size_t bytes_before = 0;
  bool valid = true;  ///< false where the beginning lies behind the end: nothing is found, not even ""
};

Window window(Runtime& runtime, const Bound& bound, size_t first) {
  const Str& str = bound[0].str();
  if (!bound.given(first) && !bound.given(first + 1)) return {str.text};
  runtime.budget().charge(str.one_byte_each() ? 0 : str.text.size() / 16);
  const auto length = int64_t(str.length);
  const auto place = [&](size_t parameter, int64_t otherwise) {
    int64_t at = bound.given(parameter) ? to_index(bound[parameter]) : otherwise;
    if (at < 0) at = std::max<int64_t>(at + length, 0);
    return at;
  };
  const int64_t begin = place(first, 0), end = std::min(place(first + 1, length), length);
  if (begin > end) return {{}, 0, false};
  const auto offset = [&](int64_t index) {
    if (str.one_byte_each()) return size_t(index);
    size_t at = 0;
    for (int64_t i = 0; i < index; ++i) at += character_at(str.text, at).bytes;
    return at;
  };
  const size_t from = offset(begin), to = offset(end);
  return {std::string_view(str.text).substr(from, to - from), from};
}

template <bool AtEnd>
Value has_affix(Runtime& runtime, const Bound& bound) {
  const Window where = window(runtime, bound, 2);
  const auto matches = [&](const Value& affix) {
    if (!affix.is_string())
      fail("{} arg must be str or a tuple of str, not {}", AtEnd ? "endswith" : "startswith",
           type_name(affix));
    return where.valid && (AtEnd ? where.text.ends_with(affix.text()) : where.text.starts_with(affix.text()));
  };
  if (!bound[1].is_tuple()) return Value::boolean(matches(bound[1]));
  const std::vector<Value>& affixes = bound[1].items();
  runtime.budget().charge(affixes.size());
  return Value::boolean(std::any_of(affixes.begin(), affixes.end(), matches));
}

/// The character index where parameter 1 is found, or -1.
int64_t find_index(Runtime& runtime, const Bound& bound, bool from_end) {
  const Window where = window(runtime, bound, 2);
  const std::string& needle = bound.text(1);
  if (!where.valid) return -1;
  runtime.budget().charge(where.text.size() / 16);
  if (from_end) runtime.budget().charge_product(needle.size(), where.text.size() / 64);
  size_t found = 0;
  if (from_end) {
    found = where.text.rfind(needle);
  } else if (!needle.empty()) {
    const void* at = memmem(where.text.data(), where.text.size(), needle.data(), needle.size());
    found = at ? size_t(static_cast<const char*>(at) - where.text.data()) : std::string_view::npos;
  }
  if (found == std::string_view::npos) return -1;
  return int64_t(count_characters(std::string_view(bound[0].text()).substr(0, where.bytes_before + found)));
}

template <bool FromEnd>
Value find(Runtime& runtime, const Bound& bound) {
  return Value::integer(find_index(runtime, bound, FromEnd));
}

template <bool FromEnd>
Value index(Runtime& runtime, const Bound& bound) {
  const int64_t at = find_index(runtime, bound, FromEnd);
  if (at < 0) fail("substring not found");
  return Value::integer(at);
}

Value count(Runtime& runtime, const Bound& bound) {
  const Window where = window(runtime, bound, 2);
  const std::string& needle = bound.text(1);
  if (!where.valid) return Value::integer(0);
  runtime.budget().charge(where.text.size() / 16);
  if (needle.empty()) return Value::integer(int64_t(count_characters(where.text)) + 1);
  int64_t found = 0;
  for (std::string_view rest = where.text; !rest.empty(); ++found) {
    const void* at = memmem(rest.data(), rest.size(), needle.data(), needle.size());
    if (!at) break;
    rest.remove_prefix(size_t(static_cast<const char*>(at) - rest.data()) + needle.size());
  }
  return Value::integer(found);
}

template <bool (*Has)(char32_t)>
bool all_characters(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (!Has(c.value)) return false;
    at += c.bytes;
  }
  return true;
}

/// True for texts of such characters; for the empty one only where Python says so.
template <bool (*Has)(char32_t), bool WhenEmpty = false>
Value all_are(Runtime& runtime, const Bound& bound) {
  const std::string& text = bound[0].text();
  runtime.budget().charge(text.size() / 16);
  return Value::boolean(text.empty() ? WhenEmpty : all_characters<Has>(text));
}

bool is_ascii(char32_t c) {
  return c < 0x80;
}
bool is_word(char32_t c) {
  return is_alnum(c) || c == '_';
}

/// Has characters of the case `Is`, and none of the others that are cased.
template <bool (*Is)(char32_t)>
bool is_all_cased(std::string_view text) {
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (is_cased(c.value) && !Is(c.value)) return false;
    found |= Is(c.value);
    at += c.bytes;
  }
  return found;
}

Value islower(Runtime&, const Bound& bound) {
  return Value::boolean(is_lower_text(bound[0].text()));
}
Value isupper(Runtime&, const Bound& bound) {
  return Value::boolean(is_upper_text(bound[0].text()));
}

Value istitle(Runtime&, const Bound& bound) {
  const std::string& text = bound[0].text();
  bool inside = false, found = false;
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    at += c.bytes;
    const bool begins = is_upper(c.value) || is_title(c.value);
    if (begins && inside) return Value::boolean(false);
    if (is_lower(c.value) && !inside) return Value::boolean(false);
    inside = is_cased(c.value);
    found |= inside;
  }
  return Value::boolean(found);
}

Value isidentifier(Runtime&, const Bound& bound) {
  const std::string& text = bound[0].text();
  if (text.empty() || is_numeric(character_at(text, 0).value)) return Value::boolean(false);
  return Value::boolean(all_characters<is_word>(text));
}

constexpr Builtin kPredicates[] = {
    {"startswith", "self prefix start? end? /", has_affix<false>},
    {"endswith", "self suffix start? end? /", has_affix<true>},
    {"find", "self sub start? end? /", find<false>},
    {"rfind", "self sub start? end? /", find<true>},
    {"index", "self sub start? end? /", index<false>},
    {"rindex", "self sub start? end? /", index<true>},
    {"count", "self sub start? end? /", count},
    {"isalnum", "self /", all_are<is_alnum>},
    {"isalpha", "self /", all_are<is_alpha>},
    {"isascii", "self /", all_are<is_ascii, true>},
    {"isdecimal", "self /", all_are<is_decimal>},
    {"isdigit", "self /", all_are<is_digit>},
    {"isidentifier", "self /", isidentifier},
    {"islower", "self /", islower},
    {"isnumeric", "self /", all_are<is_numeric>},
    {"isprintable", "self /", all_are<is_printable, true>},
    {"isspace", "self /", all_are<is_space>},
    {"istitle", "self /", istitle},
    {"isupper", "self /", isupper},
};

}  // namespace

std::span<const Builtin> string_predicates() {
  return kPredicates;
}

bool is_lower_text(std::string_view text) {
  return is_all_cased<is_lower>(text);
}
bool is_upper_text(std::string_view text) {
  return is_all_cased<is_upper>(text);
}

}  // namespace nibble::jinja
