#include "text/jinja/expression_parser.h"

#include <algorithm>

#include "text/jinja/limits.h"
#include "text/jinja/text.h"

namespace nibble::jinja {

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

ExprPtr ExpressionParser::checked(int line, int child_depth, ExprPtr node) {
  node->line = line;
  node->depth = child_depth + 1;
  if (node->depth > kMaxTreeDepth) fail_at(line, "an expression is too long");
  return node;
}

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kMaxSyntaxDepth) parser_.fail_here("blocks or brackets are nested too deep");
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
  if (!skip_op(op)) fail_here("expected token " + in_quotes(op) + ", got " + in_quotes(current().describe()));
}

void ExpressionParser::expect_name(std::string_view name) {
  if (!skip_name(name))
    fail_here("expected token " + in_quotes(name) + ", got " + in_quotes(current().describe()));
}

std::string ExpressionParser::expect_identifier() {
  if (current().kind != TokenKind::name)
    fail_here("expected token 'name', got " + in_quotes(current().describe()));
  return take().text;
}

void ExpressionParser::expect(TokenKind kind, std::string_view description) {
  if (current().kind != kind) {
    fail_here("expected token " + in_quotes(description) + ", got " + in_quotes(current().describe()));
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
    left = make_binary<Logical>(line, true, std::move(left), parse_and());
  }
  return left;
}

ExprPtr ExpressionParser::parse_and() {
  const int line = current().line;
  ExprPtr left = parse_not();
  while (skip_name("and")) {
    left = make_binary<Logical>(line, false, std::move(left), parse_not());
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
    left = make_binary<Binary>(line, op, std::move(left), parse_concatenation());
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
    left = make_binary<Binary>(line, op->second, std::move(left), parse_power());
  }
}

ExprPtr ExpressionParser::parse_power() {
  const int line = current().line;
  ExprPtr left = parse_unary(true);
  while (skip_op("**")) {  // from the left, unlike Python's
    left = make_binary<Binary>(line, BinaryOperator::power, std::move(left), parse_unary(true));
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
  fail_here("unexpected " + in_quotes(token.describe()));
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
  if (!is_tuple && !parenthesized)
    fail_here("Expected an expression, got " + in_quotes(current().describe()));
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

}  // namespace nibble::jinja
