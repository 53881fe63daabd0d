#include <algorithm>

#include "text/jinja/expression_parser.h"
#include "text/jinja/text.h"

/// What follows an operand (subscripts, calls, filters, tests), and targets of assignments.
namespace nibble::jinja {

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
  node->object = std::move(object);
  node->start = std::move(start);
  const auto part = [&]() -> ExprPtr {
    return current().is_op(":") || current().is_op("]") ? nullptr : parse_expression();
  };
  expect_op(":");
  node->stop = part();
  if (skip_op(":")) node->step = part();
  expect_op("]");
  const int depth =
      std::max({depth_of(node->object), depth_of(node->start), depth_of(node->stop), depth_of(node->step)});
  return checked(line, depth, std::move(node));
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
  if (current().kind != TokenKind::name) fail_here("can't assign to " + in_quotes(current().describe()));
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
  if (items.empty()) fail_here("Expected an expression, got " + in_quotes(current().describe()));
  tuple.kind = Target::Kind::tuple;
  tuple.items = std::move(items);
  return tuple;
}

}  // namespace nibble::jinja
