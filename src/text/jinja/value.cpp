#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/jinja/limits.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

constexpr size_t kIndexedDictSize = 8;  // shorter dicts are searched from the beginning

uint64_t saturating_add(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

size_t mix(size_t seed, size_t hash) {
  return seed * 1000003u ^ hash;
}

size_t hash_double(double value) {
  // A float that is a whole number is the same key as the int.
  if (std::abs(value) < 0x1p62 && value == std::floor(value)) return std::hash<int64_t>{}(int64_t(value));
  return std::hash<double>{}(value);
}

bool equal_items(const std::vector<Value>& a, const std::vector<Value>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), equals);
}

bool equal_dicts(const Dict& a, const Dict& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.entries().begin(), a.entries().end(), [&](const auto& entry) {
    const Value* other = b.find(entry.first);
    return other && equals(entry.second, *other);
  });
}

}  // namespace

void check_value_depth(int depth) {
  if (depth > kMaxValueDepth) fail("lists and dicts are nested deeper than {}", kMaxValueDepth);
}

Str::Str(std::string bytes, bool is_markup)
    : text(std::move(bytes)), length(count_characters(text)), markup(is_markup) {}

List::List(std::vector<Value> values) : items(std::move(values)), depth(1), deep_bytes(kElementBytes) {
  for (const Value& item : items) {
    depth = std::max(depth, item.depth() + 1);
    deep_bytes = saturating_add(deep_bytes, item.deep_bytes());
  }
  check_value_depth(depth);
}

void Dict::account(const Value& value) {
  depth_ = std::max(depth_, value.depth() + 1);
  check_value_depth(depth_);
  deep_bytes_ = saturating_add(deep_bytes_, value.deep_bytes());
}

std::optional<size_t> Dict::position(const Value& key) const {
  const size_t hash = hash_value(key);
  if (index_.empty()) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (equals(entries_[i].first, key)) return i;
    }
    return std::nullopt;
  }
  const auto [first, last] = index_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (equals(entries_[it->second].first, key)) return it->second;
  }
  return std::nullopt;
}

void Dict::set(Value key, Value value) {
  account(value);
  if (const auto at = position(key)) {
    entries_[*at].second = std::move(value);
    return;
  }
  account(key);
  entries_.emplace_back(std::move(key), std::move(value));
  if (!index_.empty()) {
    index_.emplace(hash_value(entries_.back().first), entries_.size() - 1);
  } else if (entries_.size() > kIndexedDictSize) {
    for (size_t i = 0; i < entries_.size(); ++i) index_.emplace(hash_value(entries_[i].first), i);
  }
}

const Value* Dict::find(const Value& key) const {
  const auto at = position(key);
  return at ? &entries_[*at].second : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  return find(Value::string(std::string(key)));
}

std::string Object::repr(Runtime&) const {
  return "<" + type_name() + " object>";
}
std::optional<Value> Object::attribute(std::string_view) {
  return std::nullopt;
}
std::optional<Value> Object::item(const Value&) {
  return std::nullopt;
}
// NOLINTNEXTLINE(performance-unnecessary-value-param): what overrides it moves from its arguments
Value Object::call(Runtime&, Arguments) {
  fail("'{}' object is not callable", type_name());
}

Value Value::undefined(std::string message) {
  return Value(Undefined{std::make_shared<const std::string>(std::move(message))});
}

Value Value::string(std::string text, bool markup) {
  return Value(StrPtr(std::make_shared<const Str>(std::move(text), markup)));
}

Value Value::list(std::vector<Value> items) {
  return Value(ListPtr(std::make_shared<const List>(std::move(items))));
}

Value Value::tuple(std::vector<Value> items) {
  return Value(TuplePtr(std::make_shared<const Tuple>(std::move(items))));
}

Value Value::dict(Dict dict) {
  return Value(DictPtr(std::make_shared<const Dict>(std::move(dict))));
}

bool Value::same_as(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  if (is_list()) return std::get<ListPtr>(data_) == std::get<ListPtr>(other.data_);
  if (is_tuple()) return std::get<TuplePtr>(data_) == std::get<TuplePtr>(other.data_);
  if (is_dict()) return dict_pointer() == other.dict_pointer();
  if (is_object()) return &as_object() == &other.as_object();
  return !is_undefined() && equals(*this, other);
}

int Value::depth() const {
  if (is_list()) return std::get<ListPtr>(data_)->depth;
  if (is_tuple()) return as_tuple().depth;
  if (is_dict()) return as_dict().depth();
  return is_object() ? as_object().depth() : 0;
}

uint64_t Value::deep_bytes() const {
  if (is_list()) return std::get<ListPtr>(data_)->deep_bytes;
  if (is_tuple()) return as_tuple().deep_bytes;
  if (is_dict()) return saturating_add(as_dict().deep_bytes(), kElementBytes);
  return is_string() ? text().size() + kElementBytes : kElementBytes;
}

std::string type_name(const Value& value) {
  if (value.is_none()) return "NoneType";
  if (value.is_undefined()) return "Undefined";
  if (value.is_bool()) return "bool";
  if (value.is_int()) return "int";
  if (value.is_float()) return "float";
  if (value.is_string()) return value.str().markup ? "Markup" : "str";
  if (value.is_list()) return "list";
  if (value.is_tuple()) return "tuple";
  if (value.is_dict()) return "dict";
  return value.as_object().type_name();
}

size_t hash_value(const Value& value) {
  if (value.is_string()) return std::hash<std::string>{}(value.text());
  if (value.is_int()) return std::hash<int64_t>{}(int64_t(value.as_int()));
  if (value.is_float()) return hash_double(value.as_double());
  if (value.is_none()) return 1;
  if (value.is_undefined()) return 2;
  if (value.is_tuple()) {
    size_t seed = value.items().size();
    for (const Value& item : value.items()) seed = mix(seed, hash_value(item));
    return seed;
  }
  if (value.is_object()) return std::hash<std::string>{}(value.as_object().type_name());
  fail("unhashable type: '{}'", type_name(value));
}

std::partial_ordering compare_numbers(const Value& a, const Value& b) {
  if (a.is_int() && b.is_int()) return a.as_int() <=> b.as_int();
  if (a.is_float() && b.is_float()) return a.as_double() <=> b.as_double();
  if (a.is_float()) {
    const auto reversed = compare_numbers(b, a);
    if (std::is_lt(reversed)) return std::partial_ordering::greater;
    return std::is_gt(reversed) ? std::partial_ordering::less : reversed;
  }
  const double real = b.as_double();
  if (std::isnan(real)) return std::partial_ordering::unordered;
  if (real >= 0x1p126) return std::partial_ordering::less;
  if (real <= -0x1p126) return std::partial_ordering::greater;
  const double whole = std::floor(real);
  const auto order = a.as_int() <=> Int(whole);
  if (std::is_neq(order)) return order;
  return real > whole ? std::partial_ordering::less : std::partial_ordering::equivalent;
}

bool equals(const Value& a, const Value& b) {
  if (a.is_string()) return b.is_string() && a.text() == b.text();
  if (a.is_number()) return b.is_number() && std::is_eq(compare_numbers(a, b));
  if (a.is_none() || a.is_undefined()) return a.is_none() ? b.is_none() : b.is_undefined();
  if (a.is_list()) return b.is_list() && equal_items(a.items(), b.items());
  if (a.is_tuple()) return b.is_tuple() && equal_items(a.items(), b.items());
  if (a.is_dict()) return b.is_dict() && equal_dicts(a.as_dict(), b.as_dict());
  return b.is_object() && a.as_object().equals(b.as_object());
}

}  // namespace nibble::jinja
