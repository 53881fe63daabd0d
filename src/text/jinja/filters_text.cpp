#include <algorithm>

#include "base/html.h"
#include "text/jinja/filters.h"
#include "text/jinja/format.h"
#include "text/jinja/json.h"
#include "text/jinja/operators.h"
#include "text/jinja/string_methods.h"
#include "text/jinja/text.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

/// jinja2's soft_str: Markup stays as it is, everything else becomes a str.
Value soft_string(Runtime& runtime, const Value& value) {
  return value.is_string() ? value : runtime.make_string(to_text(runtime, value));
}

/// The string method of the same name applied to the value as text.
Value as_method(Runtime& runtime, const char* method, const Bound& bound, size_t parameters) {
  Arguments arguments;
  arguments.positional.push_back(soft_string(runtime, bound[0]));
  for (size_t i = 1; i < parameters && bound.get(i); ++i) arguments.positional.push_back(bound[i]);
  return string_methods().find(method)->call(runtime, std::move(arguments));
}

Value upper(Runtime& runtime, const Bound& bound) {
  return as_method(runtime, "upper", bound, 1);
}
Value lower(Runtime& runtime, const Bound& bound) {
  return as_method(runtime, "lower", bound, 1);
}
Value capitalized(Runtime& runtime, const Bound& bound) {
  return as_method(runtime, "capitalize", bound, 1);
}
Value trim(Runtime& runtime, const Bound& bound) {
  return as_method(runtime, "strip", bound, 2);
}

Value center(Runtime& runtime, const Bound& bound) {
  Arguments arguments{{soft_string(runtime, bound[0]), Value::integer(bound.integer(1, 80))}, {}};
  return string_methods().find("center")->call(runtime, std::move(arguments));
}

/// Words begin after space, hyphen and opening brackets; unlike str.title, not after apostrophes.
Value title(Runtime& runtime, const Bound& bound) {
  const Value text = soft_string(runtime, bound[0]);
  runtime.budget().charge(text.text().size());
  const auto begins_word = [](char32_t c) {
    return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  const std::string_view all = text.text();
  std::string out;
  for (size_t at = 0; at < all.size();) {
    const Character first = character_at(all, at);
    size_t end = at + first.bytes;
    if (begins_word(first.value)) {
      out += all.substr(at, first.bytes);
    } else {
      while (end < all.size() && !begins_word(character_at(all, end).value))
        end += character_at(all, end).bytes;
      out += to_upper(all.substr(at, first.bytes));
      out += to_lower(all.substr(at + first.bytes, end - at - first.bytes));
    }
    at = end;
  }
  return runtime.make_string(std::move(out));
}

Value replace(Runtime& runtime, const Bound& bound) {
  const int64_t limit = bound.given(3) ? to_index(bound[3]) : -1;
  return runtime.make_string(replace_text(runtime, to_text(runtime, bound[0]), to_text(runtime, bound[1]),
                                          to_text(runtime, bound[2]), limit));
}

Value string(Runtime& runtime, const Bound& bound) {
  return soft_string(runtime, bound[0]);
}

Value safe(Runtime& runtime, const Bound& bound) {
  return runtime.make_string(to_text(runtime, bound[0]), true);
}

Value escape(Runtime& runtime, const Bound& bound) {
  if (bound[0].is_string() && bound[0].str().markup) return bound[0];
  return runtime.make_string(escape_html(to_text(runtime, bound[0])), true);
}

Value force_escape(Runtime& runtime, const Bound& bound) {
  return runtime.make_string(escape_html(to_text(runtime, bound[0])), true);
}

Value format(Runtime& runtime, const Bound& bound) {
  if (!bound.rest.positional.empty() && !bound.rest.keywords.empty()) {
    fail("can't handle positional and keyword arguments at the same time");
  }
  Value values = Value::tuple(bound.rest.positional);
  if (!bound.rest.keywords.empty()) {
    Dict dict;
    for (const auto& [name, value] : bound.rest.keywords) dict.set(Value::string(name), value);
    values = Value::dict(std::move(dict));
  }
  return format_percent(runtime, soft_string(runtime, bound[0]), values);
}

Value wordcount(Runtime& runtime, const Bound& bound) {
  const std::string text = to_text(runtime, bound[0]);
  int64_t words = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    const bool word = is_alnum(c.value) || c.value == '_';
    words += word && !inside;
    inside = word;
    at += c.bytes;
  }
  return Value::integer(words);
}

Value indent(Runtime& runtime, const Bound& bound) {
  require_defined(bound[0]);
  std::string step(4, ' ');
  if (bound.get(1) && bound[1].is_string()) {
    step = bound[1].text();
  } else if (bound.get(1)) {
    const auto width = size_t(std::max<int64_t>(to_index(bound[1]), 0));
    runtime.budget().charge(width);
    step.assign(width, ' ');
  }
  const bool first = bound.truth(2, false), blank = bound.truth(3, false);
  const std::string text =
      bound.text(0) + "\n";  // as jinja2: a line break at the end makes an empty last line
  const auto lines = split_lines(text, false);
  runtime.budget().charge_product(lines.size() + 1, step.size() + 1);
  std::string out = first ? step : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    if (i > 0 && (blank || !lines[i].empty())) out += step;
    out += lines[i];
  }
  return runtime.make_string(std::move(out), bound[0].str().markup);
}

size_t offset_of_character(std::string_view text, int64_t index) {
  size_t at = 0;
  for (int64_t i = 0; i < index && at < text.size(); ++i) at += character_at(text, at).bytes;
  return at;
}

Value truncate(Runtime& runtime, const Bound& bound) {
  const int64_t length = bound.integer(1, 255), leeway = bound.given(4) ? to_index(bound[4]) : 5;
  const std::string end = bound.get(3) ? bound.text(3) : "...";
  const auto end_length = int64_t(count_characters(end));
  if (length < end_length) fail("expected length >= {}, got {}", end_length, length);
  if (leeway < 0) fail("expected leeway >= 0, got {}", leeway);
  if (int64_t(length_of(bound[0])) - leeway <= length) return bound[0];
  const std::string& text = bound.text(0);
  std::string kept = text.substr(0, offset_of_character(text, length - end_length));
  if (!bound.truth(2, false)) kept = kept.substr(0, kept.rfind(' '));
  return runtime.make_string(kept + end);
}

/// transformers' tojson: json.dumps without HTML escapes.
Value tojson(Runtime& runtime, const Bound& bound) {
  JsonStyle style;
  style.ensure_ascii = bound.truth(1, false);
  if (const Value* indentation = bound.given(2)) {
    style.item_separator = ",";
    if (indentation->is_string()) {
      style.indent = indentation->text();
    } else {
      const auto width = size_t(std::max<int64_t>(to_index(*indentation), 0));
      runtime.budget().charge(width);
      style.indent = std::string(width, ' ');
    }
  }
  if (const Value* separators = bound.given(3)) {
    const std::vector<Value> pair = to_vector(runtime, *separators);
    if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string())
      fail("separators must be two strings");
    style.item_separator = pair[0].text();
    style.key_separator = pair[1].text();
    runtime.budget().charge_product(bound[0].deep_bytes() / kElementBytes,
                                    pair[0].text().size() + pair[1].text().size());
  }
  style.sort_keys = bound.truth(4, false);
  return runtime.make_string(to_json(runtime, bound[0], style));
}

Value urlencode_text(Runtime& runtime, const Value& value, bool in_query) {
  std::string out;
  for (const char c : to_text(runtime, value)) {
    const bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                       std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !in_query);
    if (plain) {
      out += c;
    } else {
      out += c == ' ' && in_query ? "+" : fmt::format("%{:02X}", uint8_t(c));
    }
  }
  return runtime.make_string(std::move(out));
}

Value urlencode(Runtime& runtime, const Bound& bound) {
  const Value& value = bound[0];
  if (value.is_string() || !is_iterable(value)) return urlencode_text(runtime, value, false);
  std::vector<std::string> parts;
  const auto add = [&](const Value& key, const Value& item) {
    parts.push_back(urlencode_text(runtime, key, true).text() + "=" +
                    urlencode_text(runtime, item, true).text());
  };
  if (value.is_dict()) {
    for (const auto& [key, item] : value.as_dict().entries()) add(key, item);
  } else {
    for (const Value& pair : to_vector(runtime, value)) {
      const std::vector<Value> two = to_vector(runtime, pair);
      if (two.size() != 2) fail("urlencode takes pairs");
      add(two[0], two[1]);
    }
  }
  return runtime.make_string(join_text(runtime, "&", parts));
}

constexpr Builtin kTextFilters[] = {
    {"capitalize", "s", capitalized},
    {"center", "value width?", center},
    {"e", "s /", escape},
    {"escape", "s /", escape},
    {"forceescape", "value", force_escape},
    {"format", "value * **", format},
    {"indent", "s width? first? blank?", indent},
    {"lower", "s", lower},
    {"replace", "s old new count?", replace},
    {"safe", "value", safe},
    {"string", "s", string},
    {"title", "s", title},
    {"tojson", "x ensure_ascii? indent? separators? sort_keys?", tojson},
    {"trim", "value chars?", trim},
    {"truncate", "s length? killwords? end? leeway?", truncate},
    {"upper", "s", upper},
    {"urlencode", "value", urlencode},
    {"wordcount", "s", wordcount},
};

}  // namespace

std::span<const Builtin> text_filters() {
  return kTextFilters;
}

}  // namespace nibble::jinja
