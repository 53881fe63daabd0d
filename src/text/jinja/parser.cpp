#include "text/jinja/parser.h"

#include <algorithm>
#include <initializer_list>

#include "text/jinja/expression_parser.h"
#include "text/jinja/text.h"

namespace nibble::jinja {

namespace {

class Parser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Body parse() {
    Body body;
    while (current().kind != TokenKind::end) {
      if (!parse_item(body, {})) break;
    }
    return body;
  }

 private:
  using Names = std::initializer_list<std::string_view>;

  /// One piece of text, print or tag. Returns false before a tag that `ends` names, which is current.
  bool parse_item(Body& body, Names ends) {
    const Token& token = current();
    if (token.kind == TokenKind::data) {
      body.push_back(at_line(token.line, std::make_unique<Text>(take().text)));
    } else if (token.kind == TokenKind::variable_begin) {
      take();
      ExprPtr value = parse_tuple(true, TupleEnd::tag);
      expect(TokenKind::variable_end, "end of print statement");
      body.push_back(at_line(token.line, std::make_unique<Output>(std::move(value))));
    } else {
      expect(TokenKind::block_begin, "begin of statement block");
      if (current().kind == TokenKind::name &&
          std::find(ends.begin(), ends.end(), current().text) != ends.end()) {
        return false;
      }
      parse_tag(body, ends);
      expect(TokenKind::block_end, "end of statement block");
    }
    return true;
  }

  /// The body of a tag up to one of the ending tags, whose name is taken and returned.
  std::string parse_body(Body& body, Names ends) {
    const Nesting nesting(*this);
    skip_op(":");
    expect(TokenKind::block_end, "end of statement block");
    while (current().kind != TokenKind::end) {
      if (!parse_item(body, ends)) return take().text;
    }
    fail_here("Unexpected end of template. Jinja was looking for the following tags: " + join(ends) + ".");
  }

  static std::string join(Names names) {
    std::string text;
    for (const std::string_view name : names) text += (text.empty() ? "" : " or ") + in_quotes(name);
    return text;
  }

  void parse_tag(Body& body, Names ends) {
    if (current().kind != TokenKind::name) fail_here("tag name expected");
    const std::string name = current().text;
    const int line = current().line;
    if (name == "print") {
      parse_print(body);
      return;
    }
    std::unique_ptr<Statement> statement = parse_statement(name, ends);
    statement->line = line;
    body.push_back(std::move(statement));
  }

  std::unique_ptr<Statement> parse_statement(const std::string& name, Names ends) {
    if (name == "if") return parse_if();
    if (name == "for") return parse_for();
    if (name == "set") return parse_set();
    if (name == "macro") return parse_macro();
    if (name == "call") return parse_call_block();
    if (name == "filter") return parse_filter_block();
    if (name == "with") return parse_with();
    if (name == "block") return parse_block();
    if (name == "generation") return parse_generation();
    if (name == "break" || name == "continue") return parse_loop_control();
    if (name == "include" || name == "import" || name == "from" || name == "extends") {
      fail_here("a chat template stands alone: {% " + name + " %} can't load another");
    }
    std::string message = "Encountered unknown tag " + in_quotes(name) + ".";
    if (ends.size() > 0) message += " Jinja was looking for the following tags: " + join(ends) + ".";
    fail_here(message);
  }

  std::unique_ptr<Statement> parse_if() {
    auto node = std::make_unique<If>();
    std::string end = take().text;
    do {
      ExprPtr test = parse_tuple(false, TupleEnd::tag);
      node->branches.emplace_back(std::move(test), Body());
      end = parse_body(node->branches.back().second, {"elif", "else", "endif"});
    } while (end == "elif");
    if (end == "else") parse_body(node->otherwise, {"endif"});
    return node;
  }

  std::unique_ptr<Statement> parse_for() {
    auto node = std::make_unique<For>();
    take();
    ++loops_;  // the target must not be named loop either
    node->target = parse_target(TupleEnd::in, false);
    expect_name("in");
    node->iterable = parse_tuple(false, TupleEnd::recursive);
    if (skip_name("if")) node->filter = parse_expression();
    node->recursive = skip_name("recursive");
    const int outer = open_loops_++;
    const std::string end = parse_body(node->body, {"endfor", "else"});
    open_loops_ = outer;
    if (end == "else") parse_body(node->otherwise, {"endfor"});
    --loops_;
    return node;
  }

  std::unique_ptr<Statement> parse_loop_control() {
    const Token& token = take();
    if (open_loops_ == 0) fail_at(token.line, in_quotes(token.text) + " outside loop");
    return std::make_unique<LoopControl>(token.text == "break" ? Flow::break_loop : Flow::continue_loop);
  }

  std::unique_ptr<Statement> parse_set() {
    take();
    Target target = parse_target(TupleEnd::tag, true);
    if (skip_op("=")) {
      auto node = std::make_unique<Assign>();
      node->target = std::move(target);
      node->value = parse_tuple(true, TupleEnd::tag);
      return node;
    }
    auto node = std::make_unique<AssignBlock>();
    node->target = std::move(target);
    if (current().is_op("|")) node->filter = parse_filters(std::make_unique<CapturedText>(), true);
    parse_body(node->body, {"endset"});
    return node;
  }

  std::unique_ptr<Statement> parse_with() {
    auto node = std::make_unique<With>();
    take();
    while (current().kind != TokenKind::block_end) {
      if (!node->assignments.empty()) expect_op(",");
      // Up to the assignment sign: a target here is a name or a tuple in parentheses.
      Target target = parse_target(TupleEnd::tag, false);
      expect_op("=");
      node->assignments.emplace_back(std::move(target), parse_expression());
    }
    parse_body(node->body, {"endwith"});
    return node;
  }

  std::unique_ptr<Statement> parse_filter_block() {
    auto node = std::make_unique<FilterBlock>();
    take();
    node->filter = parse_filters(std::make_unique<CapturedText>(), false);
    parse_body(node->body, {"endfilter"});
    return node;
  }

  std::unique_ptr<Statement> parse_block() {
    auto node = std::make_unique<ScopedBlock>();
    take();
    const std::string name = expect_identifier();
    node->sees_enclosing = skip_name("scoped");
    const int outer = std::exchange(open_loops_, 0);
    parse_body(node->body, {"endblock"});
    open_loops_ = outer;
    skip_name(name);
    return node;
  }

  std::unique_ptr<Statement> parse_generation() {
    auto node = std::make_unique<ScopedBlock>();
    take();
    const int outer = std::exchange(open_loops_, 0);
    parse_body(node->body, {"endgeneration"});
    open_loops_ = outer;
    return node;
  }

  void parse_signature(MacroDefinition& definition) {
    expect_op("(");
    while (!current().is_op(")")) {
      if (!definition.parameters.empty()) expect_op(",");
      definition.parameters.push_back(parse_target_name());
      if (skip_op("=")) {
        definition.defaults.push_back(parse_expression());
      } else if (!definition.defaults.empty()) {
        fail_here("non-default argument follows default argument");
      }
    }
    take();
  }

  void parse_macro_body(MacroDefinition& definition, std::string_view end) {
    macros_.push_back(&definition);
    const int outer = std::exchange(open_loops_, 0);
    parse_body(definition.body, {end});
    open_loops_ = outer;
    macros_.pop_back();
    if (definition.uses_caller && definition.has_parameter("caller")) {
      const auto& parameters = definition.parameters;
      const auto at = std::find(parameters.begin(), parameters.end(), "caller") - parameters.begin();
      if (size_t(at) + definition.defaults.size() < parameters.size()) {
        fail_here("the special \"caller\" argument of a macro must be omitted or be given a default");
      }
    }
  }

  std::unique_ptr<Statement> parse_macro() {
    auto node = std::make_unique<Macro>();
    take();
    node->definition.name = parse_target_name();
    parse_signature(node->definition);
    parse_macro_body(node->definition, "endmacro");
    return node;
  }

  std::unique_ptr<Statement> parse_call_block() {
    auto node = std::make_unique<CallBlock>();
    const int line = take().line;
    if (current().is_op("(")) parse_signature(node->caller);
    ExprPtr call = parse_expression();
    if (!dynamic_cast<Call*>(call.get())) fail_at(line, "expected call");
    node->call.reset(static_cast<Call*>(call.release()));
    parse_macro_body(node->caller, "endcall");
    return node;
  }

  void parse_print(Body& body) {
    const int line = take().line;
    while (current().kind != TokenKind::block_end) {
      body.push_back(at_line(line, std::make_unique<Output>(parse_expression())));
      if (current().kind != TokenKind::block_end) expect_op(",");
    }
  }

  int open_loops_ = 0;  // loops around that break and continue can end; macros hide those outside
};

}  // namespace

bool MacroDefinition::has_parameter(const std::string& parameter) const {
  return std::find(parameters.begin(), parameters.end(), parameter) != parameters.end();
}

Body parse_template(std::string_view source) {
  return Parser(tokenize(source)).parse();
}

}  // namespace nibble::jinja
