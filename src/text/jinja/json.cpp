#include "text/jinja/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/operators.h"
#include "text/jinja/text.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

using Json = nlohmann::ordered_json;

Value from_json(const Json& json, int depth) {
  check_value_depth(depth);
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value::boolean(json.get<bool>());
    case Json::value_t::number_integer:
      return Value::integer(json.get<int64_t>());
    case Json::value_t::number_unsigned:
      return Value::integer(json.get<uint64_t>());
    case Json::value_t::number_float:
      return Value::real(json.get<double>());
    case Json::value_t::string:
      return Value::string(json.get<std::string>());
    case Json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(item, depth + 1));
      return Value::list(std::move(items));
    }
    case Json::value_t::object: {
      Dict dict;
      for (const auto& [key, value] : json.items()) dict.set(Value::string(key), from_json(value, depth + 1));
      return Value::dict(std::move(dict));
    }
    default:
      return {};
  }
}

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonStyle& style) : runtime_(runtime), style_(style) {}

  void write(const Value& value) {
    if (value.is_string()) {
      write_string(value.text());
    } else if (value.is_list() || value.is_tuple()) {
      write_list(value.items());
    } else if (value.is_dict()) {
      write_dict(value.as_dict());
    } else {
      out += scalar(value);
    }
  }

  std::string out;

 private:
  std::string scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (value.is_bool()) return value.as_bool() ? "true" : "false";
    if (value.is_int()) return int_text(value.as_int());
    if (!value.is_float()) fail("Object of type {} is not JSON serializable", type_name(value));
    const double number = value.as_double();
    if (std::isnan(number)) return "NaN";
    return std::isinf(number) ? (number < 0 ? "-Infinity" : "Infinity") : float_text(number);
  }

  void write_string(std::string_view text) {
    out += '"';
    for (size_t at = 0; at < text.size();) {
      const Character c = character_at(text, at);
      write_character(text.substr(at, c.bytes), c.value);
      at += c.bytes;
    }
    out += '"';
  }

  void write_character(std::string_view bytes, char32_t c) {
    switch (c) {
      case '"':
        out += "\\\"";
        return;
      case '\\':
        out += "\\\\";
        return;
      case '\n':
        out += "\\n";
        return;
      case '\r':
        out += "\\r";
        return;
      case '\t':
        out += "\\t";
        return;
      case '\b':
        out += "\\b";
        return;
      case '\f':
        out += "\\f";
        return;
      default:
        break;
    }
    if (c >= 0x20 && (c < 0x7f || !style_.ensure_ascii)) {
      out += bytes;
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", uint32_t(c));
    } else {
      const uint32_t rest = uint32_t(c) - 0x10000;
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
    }
  }

  /// The separator before element `index`, and the line break and indentation before it.
  void begin_item(size_t index) {
    if (index > 0) out += style_.item_separator;
    break_line();
  }

  void break_line() {
    if (!style_.indent) return;
    runtime_.budget().charge_product(level_, style_.indent->size());
    out += '\n';
    for (size_t i = 0; i < level_; ++i) out += *style_.indent;
  }

  void write_list(const std::vector<Value>& items) {
    out += '[';
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      begin_item(i);
      write(items[i]);
    }
    --level_;
    if (!items.empty()) break_line();
    out += ']';
  }

  std::string key_text(const Value& key) {
    if (key.is_string()) return key.text();
    if (key.is_none() || key.is_number()) return scalar(key);
    fail("keys must be str, int, float, bool or None, not {}", type_name(key));
  }

  void write_dict(const Dict& dict) {
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto* a, const auto* b) { return is_less(runtime_, a->first, b->first); });
    }
    out += '{';
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      begin_item(i);
      write_string(key_text(entries[i]->first));
      out += style_.key_separator;
      write(entries[i]->second);
    }
    --level_;
    if (!entries.empty()) break_line();
    out += '}';
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  size_t level_ = 0;
};

}  // namespace

Value from_json(const Json& json) {
  return from_json(json, 0);
}

std::string to_json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  runtime.budget().charge(value.deep_bytes());
  JsonWriter writer(runtime, style);
  writer.write(value);
  return writer.out;
}

}  // namespace nibble::jinja
