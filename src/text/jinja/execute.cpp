#include "text/jinja/interpreter.h"
#include "text/jinja/text.h"

/// The statements of templates, but for loops and macros.
namespace nibble::jinja {

namespace {

/// The value of a body under a filter; nothing when a loop control left the body.
std::optional<Value> filtered_body(Interpreter& in, const Body& body, const Expr* filter, Flow& flow) {
  std::string text = in.capture(body, flow);
  if (flow != Flow::normal) return std::nullopt;
  if (!filter) return Value::string(std::move(text));
  in.captured = Value::string(std::move(text));
  return in.evaluate(*filter);
}

}  // namespace

Flow Text::execute(Interpreter& in) const {
  in.print(text);
  return Flow::normal;
}

Flow Output::execute(Interpreter& in) const {
  const Value result = in.evaluate(*value);
  in.at(line);
  if (result.is_string()) {
    in.print(result.text());
  } else {
    in.print(to_text(in, result));
  }
  return Flow::normal;
}

Flow If::execute(Interpreter& in) const {
  for (const auto& [test, body] : branches) {
    if (is_true(in.evaluate(*test))) return in.execute(body);
  }
  return in.execute(otherwise);
}

Flow Assign::execute(Interpreter& in) const {
  const Value result = in.evaluate(*value);
  in.at(line);
  in.assign(target, result);
  return Flow::normal;
}

Flow AssignBlock::execute(Interpreter& in) const {
  Flow flow = Flow::normal;
  if (const auto value = filtered_body(in, body, filter.get(), flow)) in.assign(target, *value);
  return flow;
}

Flow FilterBlock::execute(Interpreter& in) const {
  Flow flow = Flow::normal;
  if (const auto value = filtered_body(in, body, filter.get(), flow)) in.print(to_text(in, *value));
  return flow;
}

Flow With::execute(Interpreter& in) const {
  const auto scope = in.new_scope();
  for (const auto& [target, expr] : assignments) {
    const Value value = in.evaluate(*expr);
    const Interpreter::InScope inside(in, scope);
    in.assign(target, value);
  }
  const Interpreter::InScope inside(in, scope);
  return in.execute(body);
}

Flow ScopedBlock::execute(Interpreter& in) const {
  const auto& parent = sees_enclosing ? in.scope_pointer() : in.root_scope();
  const Interpreter::InScope inside(in, std::make_shared<Scope>(parent));
  return in.execute(body);
}

}  // namespace nibble::jinja
