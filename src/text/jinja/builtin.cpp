#include "text/jinja/builtin.h"

#include "text/jinja/operators.h"
#include "text/jinja/text.h"

namespace nibble::jinja {

Signature::Signature(std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word == "*") {
      takes_rest_ = true;
    } else if (word == "**") {
      takes_keywords_ = true;
    } else if (word == "/") {
      for (Parameter& parameter : parameters_) parameter.positional_only = true;
    } else {
      const bool optional = word.ends_with('?');
      if (optional) word.remove_suffix(1);
      parameters_.push_back({std::string(word), optional, false});
    }
  }
}

Bound::Bound(std::string_view function, const Signature& signature, Arguments arguments)
    : values_(signature.parameters_.size()) {
  const auto& parameters = signature.parameters_;
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i < parameters.size()) {
      values_[i] = std::move(arguments.positional[i]);
    } else if (signature.takes_rest_) {
      rest.positional.push_back(std::move(arguments.positional[i]));
    } else {
      fail("{}() takes {} argument(s) but {} were given", function, parameters.size(),
           arguments.positional.size());
    }
  }
  for (auto& [name, value] : arguments.keywords) {
    size_t i = 0;
    while (i < parameters.size() && (parameters[i].name != name || parameters[i].positional_only)) ++i;
    if (i < parameters.size()) {
      if (values_[i]) fail("{}() got multiple values for argument '{}'", function, name);
      values_[i] = std::move(value);
    } else if (signature.takes_keywords_) {
      rest.keywords.emplace_back(name, std::move(value));
    } else {
      fail("{}() got an unexpected keyword argument '{}'", function, name);
    }
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!values_[i] && !parameters[i].optional)
      fail("{}() missing argument: '{}'", function, parameters[i].name);
  }
}

const Value* Bound::given(size_t parameter) const {
  const Value* value = get(parameter);
  return value && !value->is_none() ? value : nullptr;
}

int64_t Bound::integer(size_t parameter, int64_t otherwise) const {
  const Value* value = get(parameter);
  return value ? to_index(*value) : otherwise;
}

bool Bound::truth(size_t parameter, bool otherwise) const {
  const Value* value = get(parameter);
  return value ? is_true(*value) : otherwise;
}

const std::string& Bound::text(size_t parameter) const {
  const Value& value = *values_[parameter];
  if (!value.is_string()) fail("must be str, not {}", type_name(value));
  return value.text();
}

Value BuiltinTable::Entry::call(Runtime& runtime, Arguments arguments) const {
  return builtin.function(runtime, Bound(builtin.name, signature, std::move(arguments)));
}

BuiltinTable::BuiltinTable(std::initializer_list<std::span<const Builtin>> tables) {
  for (const auto rows : tables) {
    for (const Builtin& row : rows) entries_.emplace(row.name, Entry{row, Signature(row.signature)});
  }
}

const BuiltinTable::Entry* BuiltinTable::find(std::string_view name) const {
  const auto it = entries_.find(name);
  return it == entries_.end() ? nullptr : &it->second;
}

std::string BuiltinFunction::repr(Runtime&) const {
  const std::string name(entry_.builtin.name);
  return self_ ? "<built-in method " + name + " of " + jinja::type_name(*self_) + " object>"
               : "<function " + name + ">";
}

Value BuiltinFunction::call(Runtime& runtime, Arguments arguments) {
  if (self_) arguments.positional.insert(arguments.positional.begin(), *self_);
  return entry_.call(runtime, std::move(arguments));
}

Value call_value(Runtime& runtime, const Value& callee, Arguments arguments) {
  require_defined(callee);
  if (!callee.is_object() || !callee.as_object().callable()) {
    fail("'{}' object is not callable", type_name(callee));
  }
  const Runtime::Level level(runtime);
  return callee.as_object().call(runtime, std::move(arguments));
}

}  // namespace nibble::jinja
