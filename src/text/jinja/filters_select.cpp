#include "text/jinja/filters.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/subscript.h"
#include "text/jinja/text.h"

/// map, select, reject, selectattr and rejectattr: they yield their elements as they are asked for.
namespace nibble::jinja {

namespace {

/// The name of a filter or test from an argument.
std::string callable_name(Runtime& runtime, const Value& value, const char* kind) {
  if (value.is_string()) return value.text();
  fail("No {} named {}.", kind, repr(runtime, value));
}

/// map(attribute=..., default=...)
Iterator map_attribute(Runtime& runtime, const Bound& bound) {
  std::optional<Value> attribute, missing;
  for (const auto& [name, value] : bound.rest.keywords) {
    if (name == "attribute") {
      attribute = value;
    } else if (name == "default") {
      if (!value.is_none()) missing = value;
    } else {
      fail("Unexpected keyword argument {}", in_quotes(name));
    }
  }
  return [&runtime, attribute, missing, next = iterate_lazily(bound[0])]() -> std::optional<Value> {
    auto item = next();
    if (!item) return std::nullopt;
    runtime.budget().step();
    return get_path(runtime, *item, *attribute, missing ? &*missing : nullptr);
  };
}

/// map(filter, arguments...)
Iterator map_filter(Runtime& runtime, const Bound& bound) {
  Arguments arguments = bound.rest;
  if (arguments.positional.empty()) fail("map requires a filter argument");
  const std::string name = callable_name(runtime, arguments.positional[0], "filter");
  arguments.positional.erase(arguments.positional.begin());
  return [&runtime, name, arguments, next = iterate_lazily(bound[0])]() -> std::optional<Value> {
    auto item = next();
    if (!item) return std::nullopt;
    runtime.budget().step();
    return apply_filter(runtime, name, std::move(*item), arguments);
  };
}

Iterator nothing() {
  return [] { return std::optional<Value>(); };
}

int depth_with(const Bound& bound) {
  int depth = bound[0].depth();
  for (const Value& value : bound.rest.positional) depth = std::max(depth, value.depth());
  for (const auto& [name, value] : bound.rest.keywords) depth = std::max(depth, value.depth());
  return depth;
}

Value map(Runtime& runtime, const Bound& bound) {
  if (!is_true(bound[0])) return Generator::make(nothing(), 0);
  bool by_attribute = false;
  for (const auto& [name, value] : bound.rest.keywords) by_attribute |= name == "attribute";
  by_attribute &= bound.rest.positional.empty();
  return Generator::make(by_attribute ? map_attribute(runtime, bound) : map_filter(runtime, bound),
                         depth_with(bound));
}

/// Elements for which the test (the value itself without one) is `Wanted`; of an attribute of them where
/// `ByAttribute`.
template <bool Wanted, bool ByAttribute>
Value select(Runtime& runtime, const Bound& bound) {
  if (!is_true(bound[0])) return Generator::make(nothing(), 0);
  Arguments arguments = bound.rest;
  auto& positional = arguments.positional;
  std::optional<Value> attribute;
  if (ByAttribute) {
    if (positional.empty()) fail("Missing parameter for attribute name");
    attribute = positional[0];
    positional.erase(positional.begin());
  }
  std::optional<std::string> test;
  if (!positional.empty()) {
    test = callable_name(runtime, positional[0], "test");
    positional.erase(positional.begin());
  }
  return Generator::make(
      [&runtime, attribute, test, arguments, next = iterate_lazily(bound[0])]() -> std::optional<Value> {
        while (auto item = next()) {
          runtime.budget().step();
          const Value tested = attribute ? get_path(runtime, *item, *attribute) : *item;
          const bool passes = test ? apply_test(runtime, *test, tested, arguments) : is_true(tested);
          if (passes == Wanted) return item;
        }
        return std::nullopt;
      },
      depth_with(bound));
}

constexpr Builtin kSelectFilters[] = {
    {"map", "value / * **", map},
    {"reject", "value / * **", select<false, false>},
    {"rejectattr", "value / * **", select<false, true>},
    {"select", "value / * **", select<true, false>},
    {"selectattr", "value / * **", select<true, true>},
};

}  // namespace

std::span<const Builtin> select_filters() {
  return kSelectFilters;
}

}  // namespace nibble::jinja
