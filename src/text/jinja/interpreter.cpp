#include "text/jinja/interpreter.h"

#include "text/jinja/objects.h"
#include "text/jinja/text.h"

namespace nibble::jinja {

namespace {

constexpr int kMaxScopeDepth = 1000;

void check_is_namespace(Interpreter& in, const Target& target) {
  if (target.kind == Target::Kind::namespace_attribute) {
    const Value* value = in.scope().find(target.name);
    if (!value || !value->object_as<Namespace>()) fail("cannot assign attribute on non-namespace object");
  }
  for (const Target& item : target.items) check_is_namespace(in, item);
}

}  // namespace

Scope::Scope(std::shared_ptr<Scope> parent)
    : parent_(std::move(parent)), depth_(parent_ ? parent_->depth_ + 1 : 0) {
  if (depth_ > kMaxScopeDepth) fail("macros are nested too deep");
}

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope; scope = scope->parent_.get()) {
    for (const auto& [key, value] : scope->variables_) {
      if (key == name) return &value;
    }
  }
  return nullptr;
}

void Scope::set(std::string_view name, Value value) {
  for (auto& [key, old] : variables_) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  variables_.emplace_back(name, std::move(value));
}

Interpreter::Interpreter(const std::vector<std::pair<std::string_view, Value>>& variables,
                         uint64_t context_bytes)
    : Runtime(context_bytes), root_(std::make_shared<Scope>(nullptr)), scope_(root_) {
  static const auto kGlobals = global_functions();
  for (const auto& [name, value] : kGlobals) root_->set(name, value);
  for (const auto& [name, value] : variables) root_->set(name, value);
}

std::string Interpreter::render(const Body& body) {
  std::string out;
  const InOutput output(*this, out);
  execute(body);
  return out;
}

Value Interpreter::evaluate(const Expr& expr) {
  budget().step();
  const Level level(*this);
  line_ = expr.line;
  return expr.evaluate(*this);
}

Arguments Interpreter::evaluate(const CallArguments& arguments) {
  Arguments result;
  for (const ExprPtr& value : arguments.positional) result.positional.push_back(evaluate(*value));
  for (const auto& [name, value] : arguments.keywords) result.keywords.emplace_back(name, evaluate(*value));
  if (arguments.star) {
    for (Value& value : to_vector(*this, evaluate(*arguments.star)))
      result.positional.push_back(std::move(value));
  }
  if (arguments.star_star) {
    const Value mapping = evaluate(*arguments.star_star);
    if (!mapping.is_dict()) fail("argument after ** must be a mapping, not {}", type_name(mapping));
    budget().charge_elements(2 * mapping.as_dict().size());
    for (const auto& [key, value] : mapping.as_dict().entries()) {
      if (!key.is_string()) fail("keywords must be strings");
      for (const auto& [name, other] : result.keywords) {
        if (name == key.text()) fail("got multiple values for keyword argument {}", in_quotes(name));
      }
      result.keywords.emplace_back(key.text(), value);
    }
  }
  return result;
}

Flow Interpreter::execute(const Body& body) {
  const Level level(*this);
  for (const auto& statement : body) {
    budget().step();
    line_ = statement->line;
    const Flow flow = statement->execute(*this);
    if (flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

void Interpreter::print(std::string_view text) {
  budget().charge(text.size());
  *out_ += text;
}

std::string Interpreter::capture(const Body& body, Flow& flow) {
  std::string out;
  const InScope scope(*this, new_scope());
  const InOutput output(*this, out);
  flow = execute(body);
  return out;
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (target.kind == Target::Kind::name) {
    scope_->set(target.name, value);
  } else if (target.kind == Target::Kind::namespace_attribute) {
    check_is_namespace(*this, target);
    scope_->find(target.name)->object_as<Namespace>()->set(target.attribute, value);
  } else {
    const std::vector<Value> items = to_vector(*this, value);
    if (items.size() > target.items.size())
      fail("too many values to unpack (expected {})", target.items.size());
    if (items.size() < target.items.size()) {
      fail("not enough values to unpack (expected {}, got {})", target.items.size(), items.size());
    }
    for (size_t i = 0; i < items.size(); ++i) assign(target.items[i], items[i]);
  }
}

}  // namespace nibble::jinja
