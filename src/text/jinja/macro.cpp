#include <algorithm>

#include "text/jinja/interpreter.h"
#include "text/jinja/text.h"

/// Macros and call blocks.
namespace nibble::jinja {

MacroObject::MacroObject(Interpreter& in, const MacroDefinition& definition)
    : in_(in), definition_(definition), closure_(in.scope_pointer()) {
  // The scope holds the macro and the macro the scope.
  in.at_end([scope = closure_] { scope->clear(); });
}

std::string MacroObject::repr(Runtime&) const {
  return "<Macro " + (definition_.name.empty() ? "anonymous" : in_quotes(definition_.name)) + ">";
}

std::optional<Value> MacroObject::attribute(std::string_view name) {
  if (name == "name") return definition_.name.empty() ? Value() : Value::string(definition_.name);
  if (name == "catch_kwargs")
    return Value::boolean(definition_.uses_kwargs && !definition_.has_parameter("kwargs"));
  if (name == "catch_varargs")
    return Value::boolean(definition_.uses_varargs && !definition_.has_parameter("varargs"));
  if (name == "caller") return Value::boolean(definition_.uses_caller);
  if (name != "arguments") return std::nullopt;
  std::vector<Value> names;
  for (const std::string& parameter : definition_.parameters) names.push_back(Value::string(parameter));
  return Value::tuple(std::move(names));
}

/// Gives caller, kwargs and varargs their values, or fails for arguments that nothing takes.
void MacroObject::bind_special(Scope& scope, Arguments& arguments, bool found_caller) const {
  const auto take_keyword = [&](std::string_view name) -> std::optional<Value> {
    for (auto it = arguments.keywords.begin(); it != arguments.keywords.end(); ++it) {
      if (it->first != name) continue;
      Value value = std::move(it->second);
      arguments.keywords.erase(it);
      return value;
    }
    return std::nullopt;
  };
  const std::string macro = definition_.name.empty() ? "None" : in_quotes(definition_.name);
  if (definition_.uses_caller && !found_caller) {
    const auto caller = take_keyword("caller");
    scope.set("caller", caller && !caller->is_none() ? *caller : Value::undefined("No caller defined"));
  }
  if (definition_.uses_kwargs && !definition_.has_parameter("kwargs")) {
    Dict kwargs;
    for (auto& [name, value] : arguments.keywords) kwargs.set(Value::string(name), std::move(value));
    scope.set("kwargs", Value::dict(std::move(kwargs)));
  } else if (!arguments.keywords.empty()) {
    fail("macro {} takes no keyword argument {}", macro, in_quotes(arguments.keywords[0].first));
  }
  const size_t taken = std::min(arguments.positional.size(), definition_.parameters.size());
  if (definition_.uses_varargs && !definition_.has_parameter("varargs")) {
    scope.set("varargs", Value::tuple({arguments.positional.begin() + std::ptrdiff_t(taken),
                                       arguments.positional.end()}));
  } else if (arguments.positional.size() > taken) {
    fail("macro {} takes not more than {} argument(s)", macro, definition_.parameters.size());
  }
}

void MacroObject::bind(Scope& scope, Arguments arguments) const {
  const auto& parameters = definition_.parameters;
  std::vector<bool> given(parameters.size(), false);
  bool found_caller = false;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const std::string& name = parameters[i];
    found_caller |= name == "caller";
    if (i < arguments.positional.size()) {
      scope.set(name, arguments.positional[i]);
      given[i] = true;
      continue;
    }
    const auto it = std::find_if(arguments.keywords.begin(), arguments.keywords.end(),
                                 [&](const auto& keyword) { return keyword.first == name; });
    given[i] = it != arguments.keywords.end();
    scope.set(name,
              given[i] ? it->second : Value::undefined("parameter " + in_quotes(name) + " was not provided"));
    if (given[i]) arguments.keywords.erase(it);
  }
  bind_special(scope, arguments, found_caller);
  const size_t first_default = parameters.size() - definition_.defaults.size();
  for (size_t i = first_default; i < parameters.size(); ++i) {
    if (!given[i]) scope.set(parameters[i], in_.evaluate(*definition_.defaults[i - first_default]));
  }
}

Value MacroObject::call(Runtime& runtime, Arguments arguments) {
  std::string out;
  const auto scope = std::make_shared<Scope>(closure_);
  const Interpreter::InScope inside(in_, scope);
  const Interpreter::InOutput output(in_, out);
  bind(*scope, std::move(arguments));
  in_.execute(definition_.body);
  return runtime.make_string(std::move(out));
}

Flow Macro::execute(Interpreter& in) const {
  in.scope().set(definition.name, Value::object(std::make_shared<MacroObject>(in, definition)));
  return Flow::normal;
}

Flow CallBlock::execute(Interpreter& in) const {
  const Value function = in.evaluate(*call->callee);
  Arguments arguments = in.evaluate(call->arguments);
  arguments.keywords.emplace_back("caller", Value::object(std::make_shared<MacroObject>(in, caller)));
  in.at(line);
  in.print(to_text(in, call_value(in, function, std::move(arguments))));
  return Flow::normal;
}

}  // namespace nibble::jinja
