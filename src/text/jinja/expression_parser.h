#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace nibble::jinja {

int depth_of(const ExprPtr& node);  ///< 0 for null
int depth_of(const std::vector<ExprPtr>& nodes);
int depth_of(const CallArguments& arguments);

/// Recursive descent over the tokens of a template, with jinja2's grammar and precedence:
///   if-else < or < and < not < comparison, in < + - < ~ < * / // % < ** < unary < . [] () < | is
class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

 protected:
  /// Where a tuple without parentheses ends, beside the end of the tag.
  enum class TupleEnd { tag, in, recursive };

  ExprPtr parse_expression(bool with_condition = true);
  /// One expression, or several with commas as a tuple.
  ExprPtr parse_tuple(bool with_condition, TupleEnd end, bool parenthesized = false);
  ExprPtr parse_filters(ExprPtr input, bool first_has_pipe);
  Target parse_target(TupleEnd end, bool with_namespace);
  std::string parse_target_name();

  const Token& current() const { return tokens_[at_]; }
  const Token& look_ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool skip_name(std::string_view name);
  bool skip_op(std::string_view op);
  void expect_op(std::string_view op);
  void expect_name(std::string_view name);
  std::string expect_identifier();
  void expect(TokenKind kind, std::string_view description);
  [[noreturn]] void fail_here(const std::string& message) const { fail_at(current().line, message); }

  /// Counts nesting of the grammar for as long as it lives, since the parser recurses.
  class Nesting {
   public:
    explicit Nesting(ExpressionParser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ExpressionParser& parser_;
  };

  template <typename T>
  std::unique_ptr<T> at_line(int line, std::unique_ptr<T> node) {
    node->line = line;
    return node;
  }

  std::vector<MacroDefinition*> macros_;  ///< those whose bodies are being parsed
  int loops_ = 0;                         ///< loops around, outside of which the name "loop" may be assigned

 private:
  /// A node above children that are at most child_depth deep.
  template <typename T, typename... Args>
  ExprPtr make(int line, int child_depth, Args&&... args) {
    return checked(line, child_depth, std::make_unique<T>(std::forward<Args>(args)...));
  }
  /// A node that combines two operands.
  template <typename T, typename Operator>
  ExprPtr make_binary(int line, Operator op, ExprPtr left, ExprPtr right) {
    const int depth = std::max(depth_of(left), depth_of(right));
    return make<T>(line, depth, op, std::move(left), std::move(right));
  }
  static ExprPtr checked(int line, int child_depth, ExprPtr node);

  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_comparison();
  ExprPtr parse_sum();
  ExprPtr parse_concatenation();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filter);
  ExprPtr parse_primary();
  ExprPtr parse_name();
  ExprPtr parse_string();
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr node);
  ExprPtr parse_filter_or_test(ExprPtr node);
  ExprPtr parse_subscript(ExprPtr object);
  ExprPtr parse_brackets(ExprPtr object, int line);
  ExprPtr parse_slice(ExprPtr object, ExprPtr start, int line);
  ExprPtr parse_call(ExprPtr callee);
  CallArguments parse_call_arguments();
  void parse_call_argument(CallArguments& arguments, int line);
  ExprPtr parse_test(ExprPtr input);
  CallArguments parse_test_arguments();
  std::string parse_dotted_name();
  Target parse_single_target(bool with_namespace);
  bool at_tuple_end(TupleEnd end) const;

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace nibble::jinja
