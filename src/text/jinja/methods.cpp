#include "text/jinja/methods.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/builtin.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/string_methods.h"
#include "text/jinja/text.h"

namespace nibble::jinja {

namespace {

Value view(const Value& dict, DictView::Part part) {
  return Value::object(std::make_shared<DictView>(dict.dict_pointer(), part));
}

Value dict_keys(Runtime&, const Bound& bound) {
  return view(bound[0], DictView::Part::keys);
}
Value dict_values(Runtime&, const Bound& bound) {
  return view(bound[0], DictView::Part::values);
}
Value dict_items(Runtime&, const Bound& bound) {
  return view(bound[0], DictView::Part::items);
}
Value same(Runtime&, const Bound& bound) {
  return bound[0];
}

Value dict_get(Runtime& runtime, const Bound& bound) {
  runtime.budget().charge(bound[1].deep_bytes() / 8);
  if (const Value* value = bound[0].as_dict().find(bound[1])) return *value;
  return bound.get(2) ? bound[2] : Value();
}

Value list_count(Runtime& runtime, const Bound& bound) {
  int64_t count = 0;
  for (const Value& item : bound[0].items())
    count += compare(runtime, CompareOperator::equal, item, bound[1]);
  return Value::integer(count);
}

Value list_index(Runtime& runtime, const Bound& bound) {
  const std::vector<Value>& items = bound[0].items();
  const auto size = int64_t(items.size());
  const auto bounded = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
  const int64_t stop = bounded(bound.integer(3, size));
  for (int64_t i = bounded(bound.integer(2, 0)); i < stop; ++i) {
    if (compare(runtime, CompareOperator::equal, items[size_t(i)], bound[1])) return Value::integer(i);
  }
  fail("{} is not in the {}", repr(runtime, bound[1]), type_name(bound[0]));
}

Value bit_length(Runtime&, const Bound& bound) {
  Int rest = bound[0].as_int();
  int64_t bits = 0;
  for (; rest != 0; rest /= 2) ++bits;
  return Value::integer(bits);
}

Value float_is_integer(Runtime&, const Bound& bound) {
  const double value = bound[0].as_double();
  return Value::boolean(value - value == 0 && value == std::floor(value));
}

const BuiltinTable& dict_methods() {
  static const Builtin kMethods[] = {
      {"keys", "self /", dict_keys},
      {"values", "self /", dict_values},
      {"items", "self /", dict_items},
      {"copy", "self /", same},
      {"get", "self key default? /", dict_get},
  };
  static const BuiltinTable kTable(kMethods);
  return kTable;
}

const BuiltinTable& list_methods() {
  static const Builtin kMethods[] = {
      {"count", "self value /", list_count},
      {"index", "self value start? stop? /", list_index},
      {"copy", "self /", same},
  };
  static const BuiltinTable kTable(kMethods);
  return kTable;
}

const BuiltinTable& number_methods() {
  static const Builtin kMethods[] = {
      {"bit_length", "self /", bit_length},
      {"is_integer", "self /", float_is_integer},
      {"conjugate", "self /", same},
  };
  static const BuiltinTable kTable(kMethods);
  return kTable;
}

bool changes_value(const Value& value, std::string_view name) {
  constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  constexpr std::string_view kList[] = {"append", "clear", "pop",    "reverse",
                                        "insert", "sort",  "extend", "remove"};
  if (value.is_dict()) return std::find(std::begin(kDict), std::end(kDict), name) != std::end(kDict);
  return value.is_list() && std::find(std::begin(kList), std::end(kList), name) != std::end(kList);
}

std::optional<Value> number_attribute(const Value& value, std::string_view name) {
  if (name == "real") return plus(value);
  if (name == "imag") return value.is_float() ? Value::real(0) : Value::integer(0);
  if (value.is_int() && name == "numerator") return plus(value);
  if (value.is_int() && name == "denominator") return Value::integer(1);
  return std::nullopt;
}

const BuiltinTable* methods_of(const Value& value, std::string_view name) {
  if (value.is_string()) return &string_methods();
  if (value.is_dict()) return &dict_methods();
  if (value.is_list()) return &list_methods();
  if (value.is_tuple()) return name == "copy" ? nullptr : &list_methods();
  if (value.is_float()) return name == "bit_length" ? nullptr : &number_methods();
  if (value.is_int()) return name == "is_integer" ? nullptr : &number_methods();
  return nullptr;
}

}  // namespace

std::optional<Value> type_attribute(const Value& value, std::string_view name) {
  if (changes_value(value, name)) {
    return Value::undefined("access to attribute '" + std::string(name) + "' of '" + type_name(value) +
                            "' object is unsafe.");
  }
  if (value.is_tuple()) {
    const auto& names = value.as_tuple().names;
    const auto it = std::find(names.begin(), names.end(), name);
    if (it != names.end()) return value.items()[size_t(it - names.begin())];
  }
  if (value.is_number()) {
    if (auto found = number_attribute(value, name)) return found;
  }
  const BuiltinTable* methods = methods_of(value, name);
  const auto* entry = methods ? methods->find(name) : nullptr;
  if (!entry) return std::nullopt;
  return Value::object(std::make_shared<BuiltinFunction>(*entry, value));
}

}  // namespace nibble::jinja
