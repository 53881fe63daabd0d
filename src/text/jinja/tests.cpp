#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/string_predicates.h"
#include "text/jinja/text.h"

/// The tests of templates: value is name.
namespace nibble::jinja {

namespace {

Value answer(bool value) {
  return Value::boolean(value);
}

Value remainder(Runtime& runtime, const Bound& bound, const Value& divisor) {
  return apply(runtime, BinaryOperator::modulo, bound[0], divisor);
}

Value is_odd(Runtime& runtime, const Bound& bound) {
  return answer(equals(remainder(runtime, bound, Value::integer(2)), Value::integer(1)));
}
Value is_even(Runtime& runtime, const Bound& bound) {
  return answer(equals(remainder(runtime, bound, Value::integer(2)), Value::integer(0)));
}
Value is_divisible(Runtime& runtime, const Bound& bound) {
  return answer(equals(remainder(runtime, bound, bound[1]), Value::integer(0)));
}

template <CompareOperator Op>
Value compared(Runtime& runtime, const Bound& bound) {
  return answer(compare(runtime, Op, bound[0], bound[1]));
}

template <bool (Value::*Is)() const>
Value is_kind(Runtime&, const Bound& bound) {
  return answer((bound[0].*Is)());
}

Value is_defined(Runtime&, const Bound& bound) {
  return answer(!bound[0].is_undefined());
}
Value is_true_value(Runtime&, const Bound& bound) {
  return answer(bound[0].is_bool() && bound[0].as_bool());
}
Value is_false_value(Runtime&, const Bound& bound) {
  return answer(bound[0].is_bool() && !bound[0].as_bool());
}
Value is_integer(Runtime&, const Bound& bound) {
  return answer(bound[0].is_int() && !bound[0].is_bool());
}
Value is_iterable_value(Runtime&, const Bound& bound) {
  return answer(is_iterable(bound[0]));
}
Value is_same(Runtime&, const Bound& bound) {
  return answer(bound[0].same_as(bound[1]));
}
Value is_escaped(Runtime&, const Bound& bound) {
  return answer(bound[0].is_string() && bound[0].str().markup);
}

Value is_sequence(Runtime&, const Bound& bound) {
  const Value& value = bound[0];
  if (value.is_object()) return answer(value.as_object().is_sequence());
  return answer(!value.is_none() && !value.is_number());
}

Value is_callable(Runtime&, const Bound& bound) {
  return answer(bound[0].is_undefined() || (bound[0].is_object() && bound[0].as_object().callable()));
}

Value is_lower_value(Runtime& runtime, const Bound& bound) {
  return answer(is_lower_text(to_text(runtime, bound[0])));
}
Value is_upper_value(Runtime& runtime, const Bound& bound) {
  return answer(is_upper_text(to_text(runtime, bound[0])));
}

Value is_filter_name(Runtime&, const Bound& bound) {
  return answer(bound[0].is_string() && is_filter(bound[0].text()));
}
Value is_test_name(Runtime&, const Bound& bound) {
  return answer(bound[0].is_string() && is_test(bound[0].text()));
}

const BuiltinTable& test_table() {
  static const Builtin kTests[] = {
      {"odd", "value", is_odd},
      {"even", "value", is_even},
      {"divisibleby", "value num", is_divisible},
      {"defined", "value", is_defined},
      {"undefined", "value", is_kind<&Value::is_undefined>},
      {"filter", "value", is_filter_name},
      {"test", "value", is_test_name},
      {"none", "value", is_kind<&Value::is_none>},
      {"boolean", "value", is_kind<&Value::is_bool>},
      {"false", "value", is_false_value},
      {"true", "value", is_true_value},
      {"integer", "value", is_integer},
      {"float", "value", is_kind<&Value::is_float>},
      {"lower", "value", is_lower_value},
      {"upper", "value", is_upper_value},
      {"string", "value", is_kind<&Value::is_string>},
      {"mapping", "value", is_kind<&Value::is_dict>},
      {"number", "value", is_kind<&Value::is_number>},
      {"sequence", "value", is_sequence},
      {"iterable", "value", is_iterable_value},
      {"callable", "value /", is_callable},
      {"sameas", "value other", is_same},
      {"escaped", "value", is_escaped},
      {"in", "value seq", compared<CompareOperator::in>},
      {"==", "a b /", compared<CompareOperator::equal>},
      {"eq", "a b /", compared<CompareOperator::equal>},
      {"equalto", "a b /", compared<CompareOperator::equal>},
      {"!=", "a b /", compared<CompareOperator::not_equal>},
      {"ne", "a b /", compared<CompareOperator::not_equal>},
      {">", "a b /", compared<CompareOperator::greater>},
      {"gt", "a b /", compared<CompareOperator::greater>},
      {"greaterthan", "a b /", compared<CompareOperator::greater>},
      {"ge", "a b /", compared<CompareOperator::greater_equal>},
      {">=", "a b /", compared<CompareOperator::greater_equal>},
      {"<", "a b /", compared<CompareOperator::less>},
      {"lt", "a b /", compared<CompareOperator::less>},
      {"lessthan", "a b /", compared<CompareOperator::less>},
      {"<=", "a b /", compared<CompareOperator::less_equal>},
      {"le", "a b /", compared<CompareOperator::less_equal>},
  };
  static const BuiltinTable kTable(kTests);
  return kTable;
}

}  // namespace

bool is_test(const std::string& name) {
  return test_table().find(name) != nullptr;
}

bool apply_test(Runtime& runtime, const std::string& name, Value value, Arguments arguments) {
  const auto* entry = test_table().find(name);
  if (!entry) fail("No test named {}.", in_quotes(name));
  arguments.positional.insert(arguments.positional.begin(), std::move(value));
  return is_true(entry->call(runtime, std::move(arguments)));
}

}  // namespace nibble::jinja
