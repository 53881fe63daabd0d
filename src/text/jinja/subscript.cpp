#include "text/jinja/subscript.h"

#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

std::string object_type_repr(const Value& value) {
  return value.is_none() ? "None" : type_name(value) + " object";
}

Value missing_attribute(const Value& value, const std::string& name) {
  return Value::undefined("'" + object_type_repr(value) + "' has no attribute " + in_quotes(name));
}

Value missing_item(Runtime& runtime, const Value& value, const Value& key) {
  if (key.is_string()) return missing_attribute(value, key.text());
  return Value::undefined(object_type_repr(value) + " has no element " + repr(runtime, key));
}

/// The byte offset of a character.
size_t offset_of(const Str& str, size_t index) {
  if (str.one_byte_each()) return index;
  size_t at = 0;
  for (size_t i = 0; i < index; ++i) at += character_at(str.text, at).bytes;
  return at;
}

Value character(const Str& str, size_t index) {
  const size_t at = offset_of(str, index);
  return Value::string(str.text.substr(at, character_at(str.text, at).bytes), str.markup);
}

std::optional<Value> element(Runtime& runtime, const Value& value, const Value& key) {
  if (value.is_dict()) {
    if (key.is_list() || key.is_dict()) return std::nullopt;  // unhashable: a TypeError, which jinja2 catches
    runtime.budget().charge(key.deep_bytes() / 8);
    const Value* found = value.as_dict().find(key);
    return found ? std::optional<Value>(*found) : std::nullopt;
  }
  if (value.is_object()) return value.as_object().item(key);
  if (!key.is_int() || value.is_none() || value.is_number()) return std::nullopt;
  const auto size = Int(length_of(value));
  const Int index = key.as_int() < 0 ? key.as_int() + size : key.as_int();
  if (index < 0 || index >= size) return std::nullopt;
  if (!value.is_string()) return value.items()[size_t(index)];
  if (!value.str().one_byte_each()) runtime.budget().charge(value.text().size() / 16);
  return character(value.str(), size_t(index));
}

std::optional<Value> attribute(const Value& value, const std::string& name) {
  if (name.size() > 4 && name.starts_with("__") && name.ends_with("__")) {
    return Value::undefined("access to attribute " + in_quotes(name) + " of '" + type_name(value) +
                            "' object is unsafe.");
  }
  if (value.is_object()) return value.as_object().attribute(name);
  return type_attribute(value, name);
}

struct SliceRange {
  int64_t start, step;
  size_t count;
};

/// slice(start, stop, step).indices(length)
SliceRange slice_range(size_t length, const Value* start, const Value* stop, const Value* step) {
  const auto number = [](const Value* value, int64_t otherwise) {
    if (!value || value->is_none()) return otherwise;
    require_defined(*value);
    if (!value->is_int()) fail("slice indices must be integers or None or have an __index__ method");
    const Int n = value->as_int();
    return int64_t(n > INT64_MAX / 4 ? Int(INT64_MAX / 4) : n < -INT64_MAX / 4 ? Int(-INT64_MAX / 4) : n);
  };
  const auto size = int64_t(length);
  const int64_t by = number(step, 1);
  if (by == 0) fail("slice step cannot be zero");
  const auto bound = [&](const Value* value, int64_t otherwise) {
    int64_t at = number(value, otherwise);
    if (!value || value->is_none()) return at;
    if (at < 0) at += size;
    return std::clamp<int64_t>(at, by > 0 ? 0 : -1, by > 0 ? size : size - 1);
  };
  const int64_t first = bound(start, by > 0 ? 0 : size - 1);
  const int64_t last = bound(stop, by > 0 ? size : -1);
  const int64_t span = by > 0 ? last - first : first - last;
  const int64_t stride = by > 0 ? by : -by;
  return {first, by, span > 0 ? size_t((span - 1) / stride + 1) : 0};
}

std::string slice_text(const Str& str, const SliceRange& range) {
  if (range.count == 0) return "";
  if (range.step == 1) {
    const size_t begin = offset_of(str, size_t(range.start));
    size_t end = begin + range.count;
    if (!str.one_byte_each()) {
      end = begin;
      for (size_t i = 0; i < range.count; ++i) end += character_at(str.text, end).bytes;
    }
    return str.text.substr(begin, end - begin);
  }
  std::vector<size_t> offsets;
  offsets.reserve(str.length + 1);
  for (size_t at = 0; at < str.text.size(); at += character_at(str.text, at).bytes) offsets.push_back(at);
  offsets.push_back(str.text.size());
  std::string out;
  for (size_t i = 0; i < range.count; ++i) {
    const auto at = size_t(range.start + int64_t(i) * range.step);
    out += str.text.substr(offsets[at], offsets[at + 1] - offsets[at]);
  }
  return out;
}

}  // namespace

Value get_attribute(const Value& value, const std::string& name) {
  require_defined(value);
  if (auto found = attribute(value, name)) return *found;
  if (value.is_dict()) {
    if (const Value* found = value.as_dict().find(name)) return *found;
  }
  return missing_attribute(value, name);
}

Value get_item(Runtime& runtime, const Value& value, const Value& key) {
  require_defined(value);
  if (auto found = element(runtime, value, key)) return *found;
  if (key.is_string()) {
    if (auto found = attribute(value, key.text())) return *found;
  }
  return missing_item(runtime, value, key);
}

Value get_slice(Runtime& runtime, const Value& value, const Value* start, const Value* stop,
                const Value* step) {
  require_defined(value);
  if (!value.is_string() && !value.is_list() && !value.is_tuple()) {
    fail("'{}' object can't be sliced", type_name(value));
  }
  const SliceRange range = slice_range(length_of(value), start, stop, step);
  if (value.is_string()) {
    if (!value.str().one_byte_each()) runtime.budget().charge(value.text().size());
    return runtime.make_string(slice_text(value.str(), range), value.str().markup);
  }
  runtime.budget().charge_elements(range.count);
  std::vector<Value> items;
  for (size_t i = 0; i < range.count; ++i)
    items.push_back(value.items()[size_t(range.start + int64_t(i) * range.step)]);
  return value.is_list() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

Value get_path(Runtime& runtime, Value value, const Value& path, const Value* missing) {
  const auto descend = [&](const Value& key) {
    value = get_item(runtime, value, key);
    if (missing && value.is_undefined()) value = *missing;
  };
  if (!path.is_string()) {
    if (!path.is_none()) descend(path);
    return value;
  }
  const std::string& text = path.text();
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('.', at), text.size());
    const std::string part = text.substr(at, end - at);
    const bool number =
        !part.empty() && part.size() < 18 && part.find_first_not_of("0123456789") == std::string::npos;
    descend(number ? Value::integer(std::stoll(part)) : Value::string(part));
    at = end + 1;
  }
  return value;
}

}  // namespace nibble::jinja
