#include "text/jinja/expression_parser.h"

#include <algorithm>

#include "text/jinja/limits.h"
#include "text/jinja/text.h"

namespace nibble::jinja {

namespace {

int depth_of(const ExprPtr& node) {
  return node ? node->depth : 0;
}

int depth_of(const std::vector<ExprPtr>& nodes) {
  int depth = 0;
  for (const ExprPtr& node : nodes) depth = std::max(depth, node->depth);
  return depth;
}

int depth_of(const CallArguments& arguments) {
  int depth = std::max(depth_of(arguments.positional),
                       std::max(depth_of(arguments.star), depth_of(arguments.star_star)));
  for (const auto& [name, value] : arguments.keywords) depth = std::max(depth, value->depth);
  return depth;
}

}  // namespace

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kMaxSyntaxDepth) parser_.fail_here("blocks or brackets are nested too deep");
}

/// A node above children that are at most child_depth deep.
template <typename T, typename... Args>
ExprPtr ExpressionParser::make(int line, int child_depth, Args&&... args) {
  auto node = std::make_unique<T>(std::forward<Args>(args)...);
  node->line = line;
  node->depth = child_depth + 1;
  if (node->depth > kMaxTreeDepth) fail_at(line, "an expression is too long");
  return node;
}

bool ExpressionParser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

bool ExpressionParser::skip_op(std::string_view op) {
  if (!current().is_op(op)) return false;
  take();
  return true;
}

void ExpressionParser::expect_op(std::string_view op) {
  if (!skip_op(op)) fail_here("expected token " + quoted(op) + ", got " + quoted(current().describe()));
}

void ExpressionParser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail_here("expected token " + quoted(name) + ", got " + quoted(current().describe()));
}

std::string ExpressionParser::expect_identifier() {
  if (current().kind != TokenKind::name)
    fail_here("expected token 'name', got " + quoted(current().describe()));
  return take().text;
}

void ExpressionParser::expect(TokenKind kind, std::string_view description) {
  if (current().kind != kind) {
    fail_here("expected token " + quoted(description) + ", got " + quoted(current().describe()));
  }
  take();
}

ExprPtr ExpressionParser::parse_expression(bool with_condition) {
  const Nesting nesting(*this);
  int line = current().line;
  ExprPtr value = parse_or();
  while (with_condition && skip_name("if")) {
    ExprPtr test = parse_or();
    ExprPtr otherwise = skip_name("else") ? parse_expression() : nullptr;
    const int depth = std::max({depth_of(value), depth_of(test), depth_of(otherwise)});
    value = make<Conditional>(line, depth, std::move(test), std::move(value), std::move(otherwise));
    line = current().line;
  }
  return value;
}

ExprPtr ExpressionParser::parse_or() {
  const int line = current().line;
  ExprPtr left = parse_and();
  while (skip_name("or")) {
    ExprPtr right = parse_and();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make<Logical>(line, depth, true, std::move(left), std::move(right));
  }
  return left;
}

ExprPtr ExpressionParser::parse_and() {
  const int line = current().line;
  ExprPtr left = parse_not();
  while (skip_name("and")) {
    ExprPtr right = parse_not();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make<Logical>(line, depth, false, std::move(left), std::move(right));
  }
  return left;
}

ExprPtr ExpressionParser::parse_not() {
  const Nesting nesting(*this);
  const int line = current().line;
  if (!skip_name("not")) return parse_comparison();
  ExprPtr operand = parse_not();
  const int depth = depth_of(operand);
  return make<Unary>(line, depth, Unary::Operator::logical_not, std::move(operand));
}

ExprPtr ExpressionParser::parse_comparison() {
  constexpr std::pair<std::string_view, CompareOperator> kOperators[] = {
      {"==", CompareOperator::equal},      {"!=", CompareOperator::not_equal},
      {"<", CompareOperator::less},        {">", CompareOperator::greater},
      {"<=", CompareOperator::less_equal}, {">=", CompareOperator::greater_equal}};
  const int line = current().line;
  ExprPtr first = parse_sum();
  std::vector<std::pair<CompareOperator, ExprPtr>> rest;
  int depth = depth_of(first);
  while (true) {
    const auto* op = std::find_if(std::begin(kOperators), std::end(kOperators),
                                  [&](const auto& entry) { return current().is_op(entry.first); });
    CompareOperator kind = CompareOperator::in;
    if (op != std::end(kOperators)) {
      take();
      kind = op->second;
    } else if (current().is_name("not") && look_ahead().is_name("in")) {
      take();
      take();
      kind = CompareOperator::not_in;
    } else if (!skip_name("in")) {
      break;
    }
    rest.emplace_back(kind, parse_sum());
    depth = std::max(depth, depth_of(rest.back().second));
  }
  if (rest.empty()) return first;
  return make<Comparison>(line, depth, std::move(first), std::move(rest));
}

ExprPtr ExpressionParser::parse_sum() {
  const int line = current().line;
  ExprPtr left = parse_concatenation();
  while (current().is_op("+") || current().is_op("-")) {
    const auto op = take().text == "+" ? BinaryOperator::add : BinaryOperator::subtract;
    ExprPtr right = parse_concatenation();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make<Binary>(line, depth, op, std::move(left), std::move(right));
  }
  return left;
}

ExprPtr ExpressionParser::parse_concatenation() {
  const int line = current().line;
  std::vector<ExprPtr> parts;
  parts.push_back(parse_product());
  while (skip_op("~")) parts.push_back(parse_product());
  if (parts.size() == 1) return std::move(parts[0]);
  const int depth = depth_of(parts);
  return make<Concatenation>(line, depth, std::move(parts));
}

ExprPtr ExpressionParser::parse_product() {
  constexpr std::pair<std::string_view, BinaryOperator> kOperators[] = {{"*", BinaryOperator::multiply},
                                                                        {"/", BinaryOperator::divide},
                                                                        {"//", BinaryOperator::floor_divide},
                                                                        {"%", BinaryOperator::modulo}};
  const int line = current().line;
  ExprPtr left = parse_power();
  while (true) {
    const auto* op = std::find_if(std::begin(kOperators), std::end(kOperators),
                                  [&](const auto& entry) { return current().is_op(entry.first); });
    if (op == std::end(kOperators)) return left;
    take();
    ExprPtr right = parse_power();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make<Binary>(line, depth, op->second, std::move(left), std::move(right));
  }
}

ExprPtr ExpressionParser::parse_power() {
  const int line = current().line;
  ExprPtr left = parse_unary(true);
  while (skip_op("**")) {  // from the left, unlike Python's
    ExprPtr right = parse_unary(true);
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make<Binary>(line, depth, BinaryOperator::power, std::move(left), std::move(right));
  }
  return left;
}

ExprPtr ExpressionParser::parse_unary(bool with_filter) {
  const Nesting nesting(*this);
  const int line = current().line;
  ExprPtr node;
  if (current().is_op("-") || current().is_op("+")) {
    const auto op = take().text == "-" ? Unary::Operator::negate : Unary::Operator::plus;
    ExprPtr operand = parse_unary(false);
    const int depth = depth_of(operand);
    node = make<Unary>(line, depth, op, std::move(operand));
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filter_or_test(std::move(node)) : std::move(node);
}

ExprPtr ExpressionParser::parse_primary() {
  const Token& token = current();
  if (token.kind == TokenKind::name) return parse_name();
  if (token.kind == TokenKind::string) return parse_string();
  if (token.kind == TokenKind::integer || token.kind == TokenKind::real) {
    take();
    return make<Constant>(token.line, 0, token.number);
  }
  if (skip_op("(")) {
    ExprPtr node = parse_tuple(true, TupleEnd::tag, true);
    expect_op(")");
    return node;
  }
  if (token.is_op("[")) return parse_list();
  if (token.is_op("{")) return parse_dict();
  fail_here("unexpected " + quoted(token.describe()));
}

ExprPtr ExpressionParser::parse_name() {
  const Token& token = take();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return make<Constant>(token.line, 0, Value::boolean(true));
  if (name == "false" || name == "False") return make<Constant>(token.line, 0, Value::boolean(false));
  if (name == "none" || name == "None") return make<Constant>(token.line, 0, Value());
  for (MacroDefinition* macro : macros_) {
    macro->uses_caller |= name == "caller";
    macro->uses_kwargs |= name == "kwargs";
    macro->uses_varargs |= name == "varargs";
  }
  return make<Name>(token.line, 0, name);
}

ExprPtr ExpressionParser::parse_string() {
  const int line = current().line;
  std::string text;
  while (current().kind == TokenKind::string) text += take().text;
  return make<Constant>(line, 0, Value::string(std::move(text)));
}

bool ExpressionParser::at_tuple_end(TupleEnd end) const {
  const Token& token = current();
  if (token.kind == TokenKind::variable_end || token.kind == TokenKind::block_end || token.is_op(")"))
    return true;
  return end == TupleEnd::in ? token.is_name("in") : end == TupleEnd::recursive && token.is_name("recursive");
}

ExprPtr ExpressionParser::parse_tuple(bool with_condition, TupleEnd end, bool parenthesized) {
  const int line = current().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (!at_tuple_end(end)) {
    items.push_back(parse_expression(with_condition));
    if (!skip_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) return std::move(items[0]);
  if (!is_tuple && !parenthesized) fail_here("Expected an expression, got " + quoted(current().describe()));
  const int depth = depth_of(items);
  return make<Sequence>(line, depth, false, std::move(items));
}

ExprPtr ExpressionParser::parse_list() {
  const int line = take().line;
  std::vector<ExprPtr> items;
  while (!current().is_op("]")) {
    items.push_back(parse_expression());
    if (!current().is_op("]")) expect_op(",");
  }
  take();
  const int depth = depth_of(items);
  return make<Sequence>(line, depth, true, std::move(items));
}

ExprPtr ExpressionParser::parse_dict() {
  const int line = take().line;
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
  int depth = 0;
  while (!current().is_op("}")) {
    ExprPtr key = parse_expression();
    expect_op(":");
    ExprPtr value = parse_expression();
    depth = std::max({depth, depth_of(key), depth_of(value)});
    entries.emplace_back(std::move(key), std::move(value));
    if (!current().is_op("}")) expect_op(",");
  }
  take();
  return make<DictLiteral>(line, depth, std::move(entries));
}

ExprPtr ExpressionParser::parse_postfix(ExprPtr node) {
  while (true) {
    if (current().is_op(".") || current().is_op("[")) {
      node = parse_subscript(std::move(node));
    } else if (current().is_op("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr ExpressionParser::parse_filter_or_test(ExprPtr node) {
  while (true) {
    if (current().is_op("|")) {
      node = parse_filters(std::move(node), true);
    } else if (current().is_name("is")) {
      node = parse_test(std::move(node));
    } else if (current().is_op("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr ExpressionParser::parse_subscript(ExprPtr object) {
  const int line = current().line, depth = depth_of(object);
  if (!skip_op(".")) {
    take();
    return parse_brackets(std::move(object), line);
  }
  const Token& token = take();
  if (token.kind == TokenKind::name) return make<Attribute>(line, depth, std::move(object), token.text);
  if (token.kind != TokenKind::integer) fail_at(token.line, "expected name or number");
  ExprPtr key = make<Constant>(token.line, 0, token.number);
  return make<Item>(line, depth, std::move(object), std::move(key));
}

ExprPtr ExpressionParser::parse_brackets(ExprPtr object, int line) {
  std::vector<ExprPtr> keys;
  while (!current().is_op("]")) {
    if (!keys.empty()) expect_op(",");
    ExprPtr key = current().is_op(":") ? nullptr : parse_expression();
    if (current().is_op(":")) {
      if (!keys.empty()) fail_here("a slice can't stand beside other elements");
      return parse_slice(std::move(object), std::move(key), line);
    }
    keys.push_back(std::move(key));
  }
  take();
  const int depth = std::max(depth_of(object), depth_of(keys) + 1);
  ExprPtr key =
      keys.size() == 1 ? std::move(keys[0]) : make<Sequence>(line, depth_of(keys), false, std::move(keys));
  return make<Item>(line, depth, std::move(object), std::move(key));
}

ExprPtr ExpressionParser::parse_slice(ExprPtr object, ExprPtr start, int line) {
  auto node = std::make_unique<Slice>();
  node->line = line;
  node->object = std::move(object);
  node->start = std::move(start);
  const auto part = [&]() -> ExprPtr {
    return current().is_op(":") || current().is_op("]") ? nullptr : parse_expression();
  };
  expect_op(":");
  node->stop = part();
  if (skip_op(":")) node->step = part();
  expect_op("]");
  node->depth = 1 + std::max({depth_of(node->object), depth_of(node->start), depth_of(node->stop),
                              depth_of(node->step)});
  if (node->depth > kMaxTreeDepth) fail_at(line, "an expression is too long");
  return node;
}

ExprPtr ExpressionParser::parse_call(ExprPtr callee) {
  const int line = current().line;
  CallArguments arguments = parse_call_arguments();
  const int depth = std::max(depth_of(callee), depth_of(arguments));
  return make<Call>(line, depth, std::move(callee), std::move(arguments));
}

CallArguments ExpressionParser::parse_call_arguments() {
  const int line = current().line;
  expect_op("(");
  CallArguments arguments;
  bool needs_comma = false;
  while (!current().is_op(")")) {
    if (needs_comma) {
      expect_op(",");
      if (current().is_op(")")) break;
    }
    parse_call_argument(arguments, line);
    needs_comma = true;
  }
  take();
  return arguments;
}

void ExpressionParser::parse_call_argument(CallArguments& arguments, int line) {
  const auto require = [&](bool valid) {
    if (!valid) fail_at(line, "invalid syntax for function call expression");
  };
  if (skip_op("*")) {
    require(!arguments.star && !arguments.star_star);
    arguments.star = parse_expression();
  } else if (skip_op("**")) {
    require(!arguments.star_star);
    arguments.star_star = parse_expression();
  } else if (current().kind == TokenKind::name && look_ahead().is_op("=")) {
    require(!arguments.star_star);
    const std::string name = take().text;
    take();
    for (const auto& [other, value] : arguments.keywords) {
      if (other == name) fail_at(line, "keyword argument repeated: " + name);
    }
    arguments.keywords.emplace_back(name, parse_expression());
  } else {
    require(!arguments.star && !arguments.star_star && arguments.keywords.empty());
    arguments.positional.push_back(parse_expression());
  }
}

std::string ExpressionParser::parse_dotted_name() {
  std::string name = expect_identifier();
  while (skip_op(".")) name += "." + expect_identifier();
  return name;
}

ExprPtr ExpressionParser::parse_filters(ExprPtr input, bool first_has_pipe) {
  for (bool has_pipe = first_has_pipe; !has_pipe || current().is_op("|"); has_pipe = true) {
    if (has_pipe) take();
    const int line = current().line;
    std::string name = parse_dotted_name();
    CallArguments arguments;
    if (current().is_op("(")) arguments = parse_call_arguments();
    const int depth = std::max(depth_of(input), depth_of(arguments));
    input = make<Filter>(line, depth, std::move(input), std::move(name), std::move(arguments));
  }
  return input;
}

ExprPtr ExpressionParser::parse_test(ExprPtr input) {
  const int line = take().line;
  const bool negated = skip_name("not");
  std::string name = parse_dotted_name();
  CallArguments arguments = parse_test_arguments();
  const int depth = std::max(depth_of(input), depth_of(arguments));
  ExprPtr node = make<Test>(line, depth, std::move(input), std::move(name), std::move(arguments));
  if (negated) node = make<Unary>(line, depth + 1, Unary::Operator::logical_not, std::move(node));
  return node;
}

/// In parentheses, or a single operand without them: x is divisibleby 3.
CallArguments ExpressionParser::parse_test_arguments() {
  const Token& token = current();
  if (token.is_op("(")) return parse_call_arguments();
  CallArguments arguments;
  const bool keyword = token.is_name("else") || token.is_name("or") || token.is_name("and");
  const bool operand = token.kind == TokenKind::name || token.kind == TokenKind::string ||
                       token.kind == TokenKind::integer || token.kind == TokenKind::real ||
                       token.is_op("[") || token.is_op("{");
  if (!operand || keyword) return arguments;
  if (token.is_name("is")) fail_here("You cannot chain multiple tests with is");
  arguments.positional.push_back(parse_postfix(parse_primary()));
  return arguments;
}

std::string ExpressionParser::parse_target_name() {
  const int line = current().line;
  std::string name = expect_identifier();
  for (const char* constant : {"true", "false", "none", "True", "False", "None"}) {
    if (name == constant) fail_at(line, "can't assign to 'const'");
  }
  if (loops_ > 0 && name == "loop") {
    fail_at(line, "Can't assign to special loop variable in for-loop target");
  }
  return name;
}

Target ExpressionParser::parse_single_target(bool with_namespace) {
  const Nesting nesting(*this);
  Target target;
  target.line = current().line;
  if (skip_op("(")) {
    target = parse_target(TupleEnd::tag, with_namespace);
    expect_op(")");
    return target;
  }
  if (current().kind != TokenKind::name) fail_here("can't assign to " + quoted(current().describe()));
  target.name = parse_target_name();
  if (with_namespace && skip_op(".")) {
    target.kind = Target::Kind::namespace_attribute;
    target.attribute = expect_identifier();
  }
  return target;
}

Target ExpressionParser::parse_target(TupleEnd end, bool with_namespace) {
  std::vector<Target> items;
  Target tuple;
  tuple.line = current().line;
  bool is_tuple = false;
  while (!at_tuple_end(end)) {
    items.push_back(parse_single_target(with_namespace));
    if (!skip_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && items.size() == 1) return std::move(items[0]);
  if (items.empty()) fail_here("Expected an expression, got " + quoted(current().describe()));
  tuple.kind = Target::Kind::tuple;
  tuple.items = std::move(items);
  return tuple;
}

}  // namespace nibble::jinja
