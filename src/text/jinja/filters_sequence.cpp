#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/string_methods.h"
#include "text/jinja/subscript.h"
#include "text/jinja/text.h"

namespace nibble::jinja {

namespace {

Value length(Runtime&, const Bound& bound) {
  return Value::integer(Int(length_of(bound[0])));
}

Value default_value(Runtime&, const Bound& bound) {
  const bool use_default = bound[0].is_undefined() || (bound.truth(2, false) && !is_true(bound[0]));
  if (!use_default) return bound[0];
  return bound.get(1) ? bound[1] : Value::string("");
}

Value first(Runtime&, const Bound& bound) {
  const Iterator next = iterate(bound[0]);
  if (auto item = next()) return *item;
  return Value::undefined("No first item, sequence was empty.");
}

Value last(Runtime&, const Bound& bound) {
  const Iterator next = iterate_reversed(bound[0]);
  if (!next) fail("'{}' object is not reversible", type_name(bound[0]));
  if (auto item = next()) return *item;
  return Value::undefined("No last item, sequence was empty.");
}

Value list(Runtime& runtime, const Bound& bound) {
  return Value::list(to_vector(runtime, bound[0]));
}

Value reverse(Runtime& runtime, const Bound& bound) {
  const Value& value = bound[0];
  if (value.is_string()) {
    const Value step = Value::integer(-1);
    return get_slice(runtime, value, nullptr, nullptr, &step);
  }
  if (Iterator next = iterate_reversed(value))
    return Generator::make(std::move(next), value.depth(), "reversed");
  if (!is_iterable(value)) fail("argument must be iterable");
  std::vector<Value> items = to_vector(runtime, value);
  std::reverse(items.begin(), items.end());
  return Value::list(std::move(items));
}

/// A generator over the list that `make` gives when its first element is asked for.
template <typename Make>
Value generate(int depth, Make make) {
  return Generator::make(
      [make = std::move(make), next = Iterator()]() mutable {
        if (!next) next = iterate(make());
        return next();
      },
      depth + 1);
}

Value items(Runtime&, const Bound& bound) {
  return generate(bound[0].depth(), [value = bound[0]] {
    if (value.is_undefined()) return Value::list({});
    if (!value.is_dict()) fail("Can only get item pairs from a mapping.");
    return Value::object(std::make_shared<DictView>(value.dict_pointer(), DictView::Part::items));
  });
}

Value join(Runtime& runtime, const Bound& bound) {
  std::vector<std::string> parts;
  const Iterator next = iterate(bound[0]);
  while (auto item = next()) {
    if (const Value* attribute = bound.given(2)) item = get_path(runtime, *item, *attribute);
    parts.push_back(to_text(runtime, *item));
    runtime.budget().charge(parts.back().size() + kElementBytes);
  }
  return runtime.make_string(join_text(runtime, bound.get(1) ? to_text(runtime, bound[1]) : "", parts));
}

Value sum(Runtime& runtime, const Bound& bound) {
  Value total = bound.get(2) ? bound[2] : Value::integer(0);
  if (total.is_string()) fail("sum() can't sum strings [use ''.join(seq) instead]");
  const Iterator next = iterate(bound[0]);
  while (auto item = next()) {
    if (const Value* attribute = bound.given(1)) item = get_path(runtime, *item, *attribute);
    runtime.budget().charge(1);
    total = apply(runtime, BinaryOperator::add, total, *item);
  }
  return total;
}

/// Lists of `size` elements each, the last one filled up when there is something to fill it with.
Value batches(Runtime& runtime, const Value& value, size_t size, const std::optional<Value>& fill) {
  const std::vector<Value> all = to_vector(runtime, value);
  std::vector<Value> rows;
  for (size_t at = 0; at < all.size(); at += std::min(size, all.size() - at)) {
    const auto begin = all.begin() + std::ptrdiff_t(at);
    std::vector<Value> row(begin, begin + std::ptrdiff_t(std::min(size, all.size() - at)));
    if (fill && row.size() < size) {
      runtime.budget().charge_elements(size - row.size());
      row.resize(size, *fill);
    }
    rows.push_back(runtime.make_list(std::move(row)));
  }
  return Value::list(std::move(rows));
}

std::optional<Value> fill_value(const Bound& bound) {
  return bound.given(2) ? std::optional<Value>(bound[2]) : std::nullopt;
}

Value batch(Runtime& runtime, const Bound& bound) {
  const auto size = size_t(std::max<int64_t>(bound.integer(1, 0), 1));
  return generate(bound[0].depth() + 1, [&runtime, value = bound[0], size, fill = fill_value(bound)] {
    return batches(runtime, value, size, fill);
  });
}

/// `count` lists that are as long as each other, but for one element.
Value slices(Runtime& runtime, const Value& value, int64_t count, const std::optional<Value>& fill) {
  const std::vector<Value> all = to_vector(runtime, value);
  if (count == 0) fail("integer division or modulo by zero");
  runtime.budget().charge_elements(uint64_t(std::max<int64_t>(count, 0)));
  std::vector<Value> parts;
  auto at = all.begin();
  for (int64_t i = 0; i < count; ++i) {
    const bool longer = i < int64_t(all.size()) % count;
    const auto end = at + std::ptrdiff_t(int64_t(all.size()) / count) + (longer ? 1 : 0);
    std::vector<Value> part(at, end);
    at = end;
    if (fill && !longer) part.push_back(*fill);
    parts.push_back(runtime.make_list(std::move(part)));
  }
  return Value::list(std::move(parts));
}

Value slice(Runtime& runtime, const Bound& bound) {
  return generate(bound[0].depth() + 1,
                  [&runtime, value = bound[0], count = bound.integer(1, 0), fill = fill_value(bound)] {
                    return slices(runtime, value, count, fill);
                  });
}

Value attribute(Runtime&, const Bound& bound) {
  const std::string& name = bound.text(1);
  require_defined(bound[0]);
  const bool has = bound[0].is_object() ? bound[0].as_object().attribute(name).has_value()
                                        : type_attribute(bound[0], name).has_value();
  if (has) return get_attribute(bound[0], name);
  return Value::undefined("'" + type_name(bound[0]) + " object' has no attribute " + in_quotes(name));
}

constexpr Builtin kSequenceFilters[] = {
    {"attr", "obj name", attribute},
    {"batch", "value linecount fill_with?", batch},
    {"count", "obj /", length},
    {"d", "value default_value? boolean?", default_value},
    {"default", "value default_value? boolean?", default_value},
    {"first", "seq", first},
    {"items", "value", items},
    {"join", "value d? attribute?", join},
    {"last", "seq", last},
    {"length", "obj /", length},
    {"list", "value", list},
    {"reverse", "value", reverse},
    {"slice", "value slices fill_with?", slice},
    {"sum", "iterable attribute? start?", sum},
};

}  // namespace

std::span<const Builtin> sequence_filters() {
  return kSequenceFilters;
}

}  // namespace nibble::jinja
