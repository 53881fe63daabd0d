#include <algorithm>
#include <numeric>

#include "text/jinja/filters.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/subscript.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

Value fold(Runtime& runtime, const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.is_string()) return value;
  return runtime.make_string(to_lower(value.text()));
}

Value key_of(Runtime& runtime, const Value& item, const Value* attribute, bool case_sensitive,
             const Value* missing = nullptr) {
  return fold(runtime, attribute ? get_path(runtime, item, *attribute, missing) : item, case_sensitive);
}

/// The items in the order of their keys; equal ones keep theirs.
std::vector<Value> sorted(Runtime& runtime, const std::vector<Value>& items, const std::vector<Value>& keys,
                          bool reverse) {
  runtime.budget().charge_elements(2 * items.size());
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return reverse ? is_less(runtime, keys[b], keys[a]) : is_less(runtime, keys[a], keys[b]);
  });
  std::vector<Value> result;
  for (const size_t at : order) result.push_back(items[at]);
  return result;
}

/// The attributes of sort: a text with commas names several.
std::vector<Value> split_attributes(const Value* attribute) {
  if (!attribute || !attribute->is_string()) return {attribute ? *attribute : Value()};
  std::vector<Value> parts;
  const std::string& text = attribute->text();
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    parts.push_back(Value::string(text.substr(at, end - at)));
    at = end + 1;
  }
  return parts;
}

Value sort(Runtime& runtime, const Bound& bound) {
  const bool reverse = bound.truth(1, false), case_sensitive = bound.truth(2, false);
  const std::vector<Value> items = to_vector(runtime, bound[0]);
  const std::vector<Value> attributes = split_attributes(bound.given(3));
  std::vector<Value> keys;
  for (const Value& item : items) {
    std::vector<Value> key;
    for (const Value& attribute : attributes)
      key.push_back(key_of(runtime, item, &attribute, case_sensitive));
    keys.push_back(runtime.make_list(std::move(key)));
  }
  return Value::list(sorted(runtime, items, keys, reverse));
}

Value dictsort(Runtime& runtime, const Bound& bound) {
  require_defined(bound[0]);
  if (!bound[0].is_dict()) fail("dictsort takes a mapping, not '{}'", type_name(bound[0]));
  const bool case_sensitive = bound.truth(1, false), reverse = bound.truth(3, false);
  const std::string by = bound.get(2) ? bound.text(2) : "key";
  if (by != "key" && by != "value") fail("You can only sort by either \"key\" or \"value\"");
  std::vector<Value> items, keys;
  for (const auto& [key, value] : bound[0].as_dict().entries()) {
    items.push_back(runtime.make_tuple({key, value}));
    keys.push_back(fold(runtime, by == "key" ? key : value, case_sensitive));
  }
  return Value::list(sorted(runtime, items, keys, reverse));
}

Value groupby(Runtime& runtime, const Bound& bound) {
  const bool case_sensitive = bound.truth(3, false);
  const std::vector<Value> items = to_vector(runtime, bound[0]);
  const Value* missing = bound.given(2);
  const auto key = [&](const Value& item, bool exact) {
    return key_of(runtime, item, &bound[1], exact, missing);
  };
  std::vector<Value> keys;
  for (const Value& item : items) keys.push_back(key(item, case_sensitive));
  std::vector<Value> groups, members;
  const auto close = [&] {
    if (members.empty()) return;
    const Value grouper = key(members[0], true);
    Tuple group({grouper, runtime.make_list(std::exchange(members, {}))});
    group.names = {"grouper", "list"};
    groups.push_back(Value(std::make_shared<const Tuple>(std::move(group))));
  };
  for (const Value& item : sorted(runtime, items, keys, false)) {
    const bool same = !members.empty() && compare(runtime, CompareOperator::equal,
                                                  key(members[0], case_sensitive), key(item, case_sensitive));
    if (!same) close();
    members.push_back(item);
  }
  close();
  return Value::list(std::move(groups));
}

Value unique(Runtime& runtime, const Bound& bound) {
  const bool case_sensitive = bound.truth(1, false);
  const std::optional<Value> attribute = bound.given(2) ? std::optional<Value>(bound[2]) : std::nullopt;
  return Generator::make(
      [&runtime, case_sensitive, attribute, next = iterate_lazily(bound[0]),
       seen = Dict()]() mutable -> std::optional<Value> {
        while (auto item = next()) {
          const Value key = key_of(runtime, *item, attribute ? &*attribute : nullptr, case_sensitive);
          runtime.budget().charge(key.deep_bytes() / 8 + kElementBytes);
          if (seen.find(key)) continue;
          seen.set(key, Value());
          return item;
        }
        return std::nullopt;
      },
      bound[0].depth());
}

template <bool Largest>
Value extreme(Runtime& runtime, const Bound& bound) {
  const bool case_sensitive = bound.truth(1, false);
  const Iterator next = iterate(bound[0]);
  std::optional<Value> best, best_key;
  while (auto item = next()) {
    Value key = key_of(runtime, *item, bound.given(2), case_sensitive);
    runtime.budget().charge(1);
    if (!best || (Largest ? is_less(runtime, *best_key, key) : is_less(runtime, key, *best_key))) {
      best = std::move(item);
      best_key = std::move(key);
    }
  }
  return best ? *best : Value::undefined("No aggregated item, sequence was empty.");
}

constexpr Builtin kOrderFilters[] = {
    {"dictsort", "value case_sensitive? by? reverse?", dictsort},
    {"groupby", "value attribute default? case_sensitive?", groupby},
    {"max", "value case_sensitive? attribute?", extreme<true>},
    {"min", "value case_sensitive? attribute?", extreme<false>},
    {"sort", "value reverse? case_sensitive? attribute?", sort},
    {"unique", "value case_sensitive? attribute?", unique},
};

}  // namespace

std::span<const Builtin> order_filters() {
  return kOrderFilters;
}

}  // namespace nibble::jinja
