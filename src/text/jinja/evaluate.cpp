#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/subscript.h"
#include "text/jinja/text.h"

/// The expressions of templates.
namespace nibble::jinja {

Value Constant::evaluate(Interpreter&) const {
  return value;
}

Value Name::evaluate(Interpreter& in) const {
  const Value* value = in.scope().find(name);
  return value ? *value : Value::undefined(in_quotes(name) + " is undefined");
}

Value Sequence::evaluate(Interpreter& in) const {
  std::vector<Value> values;
  values.reserve(items.size());
  for (const ExprPtr& item : items) values.push_back(in.evaluate(*item));
  return is_list ? in.make_list(std::move(values)) : in.make_tuple(std::move(values));
}

Value DictLiteral::evaluate(Interpreter& in) const {
  Dict dict;
  in.budget().charge_elements(2 * entries.size() + 1);
  for (const auto& [key, value] : entries) {
    Value evaluated_key = in.evaluate(*key);
    in.budget().charge(evaluated_key.deep_bytes() / 8);
    dict.set(std::move(evaluated_key), in.evaluate(*value));
  }
  return Value::dict(std::move(dict));
}

Value Conditional::evaluate(Interpreter& in) const {
  if (is_true(in.evaluate(*test))) return in.evaluate(*value);
  if (otherwise) return in.evaluate(*otherwise);
  return Value::undefined("the inline if-expression on line " + std::to_string(line) +
                          " evaluated to false and no else section was defined.");
}

Value Logical::evaluate(Interpreter& in) const {
  Value first = in.evaluate(*left);
  return is_true(first) == is_or ? first : in.evaluate(*right);
}

Value Unary::evaluate(Interpreter& in) const {
  const Value value = in.evaluate(*operand);
  in.at(line);
  if (op == Operator::logical_not) return Value::boolean(!is_true(value));
  return op == Operator::negate ? negate(value) : plus(value);
}

Value Binary::evaluate(Interpreter& in) const {
  const Value first = in.evaluate(*left);
  const Value second = in.evaluate(*right);
  in.at(line);
  return apply(in, op, first, second);
}

Value Concatenation::evaluate(Interpreter& in) const {
  std::string text;
  for (const ExprPtr& part : parts) {
    const Value value = in.evaluate(*part);
    if (value.is_string()) in.budget().charge(value.text().size());
    text += to_text(in, value);
  }
  return in.make_string(std::move(text));
}

Value Comparison::evaluate(Interpreter& in) const {
  Value left = in.evaluate(*first);
  for (const auto& [op, operand] : rest) {
    Value right = in.evaluate(*operand);
    in.at(line);
    if (!compare(in, op, left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Attribute::evaluate(Interpreter& in) const {
  const Value value = in.evaluate(*object);
  in.at(line);
  return get_attribute(value, name);
}

Value Item::evaluate(Interpreter& in) const {
  const Value value = in.evaluate(*object);
  const Value element = in.evaluate(*key);
  in.at(line);
  return get_item(in, value, element);
}

Value Slice::evaluate(Interpreter& in) const {
  const Value value = in.evaluate(*object);
  Value bounds[3];
  const Expr* exprs[3] = {start.get(), stop.get(), step.get()};
  for (int i = 0; i < 3; ++i) {
    if (exprs[i]) bounds[i] = in.evaluate(*exprs[i]);
  }
  in.at(line);
  return get_slice(in, value, &bounds[0], &bounds[1], &bounds[2]);
}

Value Call::evaluate(Interpreter& in) const {
  const Value function = in.evaluate(*callee);
  Arguments values = in.evaluate(arguments);
  in.at(line);
  return call_value(in, function, std::move(values));
}

Value Filter::evaluate(Interpreter& in) const {
  Value value = in.evaluate(*input);
  Arguments values = in.evaluate(arguments);
  in.at(line);
  return apply_filter(in, name, std::move(value), std::move(values));
}

Value Test::evaluate(Interpreter& in) const {
  Value value = in.evaluate(*input);
  Arguments values = in.evaluate(arguments);
  in.at(line);
  return Value::boolean(apply_test(in, name, std::move(value), std::move(values)));
}

Value CapturedText::evaluate(Interpreter& in) const {
  return in.captured;
}

}  // namespace nibble::jinja
