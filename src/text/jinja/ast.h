#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/builtin.h"
#include "text/jinja/operators.h"
#include "text/jinja/value.h"

/// The syntax tree of a template. Nodes run themselves: evaluate.cpp has the expressions, execute.cpp
/// the statements. A tree never changes once it is parsed, so renderings share it.
namespace nibble::jinja {

class Interpreter;

struct Expr {
  virtual ~Expr() = default;
  virtual Value evaluate(Interpreter& in) const = 0;
  int line = 0;
  int depth = 1;  ///< of the tree below and with this node
};
using ExprPtr = std::unique_ptr<Expr>;

struct Constant : Expr {
  explicit Constant(Value v) : value(std::move(v)) {}
  Value evaluate(Interpreter& in) const override;
  Value value;
};

struct Name : Expr {
  explicit Name(std::string n) : name(std::move(n)) {}
  Value evaluate(Interpreter& in) const override;
  std::string name;
};

struct Sequence : Expr {  // (a, b) and [a, b]
  Sequence(bool list, std::vector<ExprPtr> values) : is_list(list), items(std::move(values)) {}
  Value evaluate(Interpreter& in) const override;
  bool is_list;
  std::vector<ExprPtr> items;
};

struct DictLiteral : Expr {
  explicit DictLiteral(std::vector<std::pair<ExprPtr, ExprPtr>> values) : entries(std::move(values)) {}
  Value evaluate(Interpreter& in) const override;
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
};

struct Conditional : Expr {  // value if test else otherwise
  Conditional(ExprPtr t, ExprPtr v, ExprPtr o)
      : test(std::move(t)), value(std::move(v)), otherwise(std::move(o)) {}
  Value evaluate(Interpreter& in) const override;
  ExprPtr test, value, otherwise;  // otherwise may be null
};

struct Logical : Expr {
  Logical(bool is_or_, ExprPtr l, ExprPtr r) : is_or(is_or_), left(std::move(l)), right(std::move(r)) {}
  Value evaluate(Interpreter& in) const override;
  bool is_or;
  ExprPtr left, right;
};

struct Unary : Expr {
  enum class Operator { negate, plus, logical_not };
  Unary(Operator o, ExprPtr e) : op(o), operand(std::move(e)) {}
  Value evaluate(Interpreter& in) const override;
  Operator op;
  ExprPtr operand;
};

struct Binary : Expr {
  Binary(BinaryOperator o, ExprPtr l, ExprPtr r) : op(o), left(std::move(l)), right(std::move(r)) {}
  Value evaluate(Interpreter& in) const override;
  BinaryOperator op;
  ExprPtr left, right;
};

struct Concatenation : Expr {  // a ~ b ~ c
  explicit Concatenation(std::vector<ExprPtr> values) : parts(std::move(values)) {}
  Value evaluate(Interpreter& in) const override;
  std::vector<ExprPtr> parts;
};

struct Comparison : Expr {  // a < b < c
  Comparison(ExprPtr f, std::vector<std::pair<CompareOperator, ExprPtr>> r)
      : first(std::move(f)), rest(std::move(r)) {}
  Value evaluate(Interpreter& in) const override;
  ExprPtr first;
  std::vector<std::pair<CompareOperator, ExprPtr>> rest;
};

struct Attribute : Expr {
  Attribute(ExprPtr o, std::string n) : object(std::move(o)), name(std::move(n)) {}
  Value evaluate(Interpreter& in) const override;
  ExprPtr object;
  std::string name;
};

struct Item : Expr {
  Item(ExprPtr o, ExprPtr k) : object(std::move(o)), key(std::move(k)) {}
  Value evaluate(Interpreter& in) const override;
  ExprPtr object, key;
};

struct Slice : Expr {
  Value evaluate(Interpreter& in) const override;
  ExprPtr object, start, stop, step;  // all but object may be null
};

/// (positional, keyword=value, *star, **star_star)
struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> keywords;
  ExprPtr star, star_star;
};

struct Call : Expr {
  Call(ExprPtr c, CallArguments a) : callee(std::move(c)), arguments(std::move(a)) {}
  Value evaluate(Interpreter& in) const override;
  ExprPtr callee;
  CallArguments arguments;
};

struct Filter : Expr {  // input | name(arguments)
  Filter(ExprPtr i, std::string n, CallArguments a)
      : input(std::move(i)), name(std::move(n)), arguments(std::move(a)) {}
  Value evaluate(Interpreter& in) const override;
  ExprPtr input;
  std::string name;
  CallArguments arguments;
};

struct Test : Expr {  // input is name(arguments)
  Test(ExprPtr i, std::string n, CallArguments a)
      : input(std::move(i)), name(std::move(n)), arguments(std::move(a)) {}
  Value evaluate(Interpreter& in) const override;
  ExprPtr input;
  std::string name;
  CallArguments arguments;
};

/// The input of a filter block's first filter: the text of the block.
struct CapturedText : Expr {
  Value evaluate(Interpreter& in) const override;
};

/// Whether the enclosing loop ends early.
enum class Flow { normal, break_loop, continue_loop };

struct Statement {
  virtual ~Statement() = default;
  virtual Flow execute(Interpreter& in) const = 0;
  int line = 0;
};
using Body = std::vector<std::unique_ptr<Statement>>;

/// What {% set %} and {% for %} assign to.
struct Target {
  enum class Kind { name, namespace_attribute, tuple };
  Kind kind = Kind::name;
  int line = 0;
  std::string name, attribute;
  std::vector<Target> items;
};

struct Text : Statement {
  explicit Text(std::string t) : text(std::move(t)) {}
  Flow execute(Interpreter& in) const override;
  std::string text;
};

struct Output : Statement {
  explicit Output(ExprPtr v) : value(std::move(v)) {}
  Flow execute(Interpreter& in) const override;
  ExprPtr value;
};

struct If : Statement {
  Flow execute(Interpreter& in) const override;
  std::vector<std::pair<ExprPtr, Body>> branches;
  Body otherwise;
};

struct For : Statement {
  Flow execute(Interpreter& in) const override;
  Target target;
  ExprPtr iterable, filter;  // filter may be null
  bool recursive = false;
  Body body, otherwise;
};

struct LoopControl : Statement {
  explicit LoopControl(Flow f) : flow(f) {}
  Flow execute(Interpreter&) const override { return flow; }
  Flow flow;
};

struct Assign : Statement {
  Flow execute(Interpreter& in) const override;
  Target target;
  ExprPtr value;
};

struct AssignBlock : Statement {  // {% set x | filter %}...{% endset %}
  Flow execute(Interpreter& in) const override;
  Target target;
  ExprPtr filter;  // over CapturedText; null without one
  Body body;
};

struct With : Statement {
  Flow execute(Interpreter& in) const override;
  std::vector<std::pair<Target, ExprPtr>> assignments;
  Body body;
};

struct FilterBlock : Statement {
  Flow execute(Interpreter& in) const override;
  ExprPtr filter;  // over CapturedText
  Body body;
};

/// {% block %}, {% generation %}: a scope of its own. A block sees only the template's own variables.
struct ScopedBlock : Statement {
  Flow execute(Interpreter& in) const override;
  bool sees_enclosing = true;
  Body body;
};

/// What {% macro %} and {% call %} define.
struct MacroDefinition {
  std::string name;  ///< empty for the caller of a call block
  std::vector<std::string> parameters;
  std::vector<ExprPtr> defaults;  ///< of the last parameters
  Body body;
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;

  bool has_parameter(const std::string& parameter) const;
};

struct Macro : Statement {
  Flow execute(Interpreter& in) const override;
  MacroDefinition definition;
};

struct CallBlock : Statement {
  Flow execute(Interpreter& in) const override;
  std::unique_ptr<Call> call;
  MacroDefinition caller;
};

}  // namespace nibble::jinja
