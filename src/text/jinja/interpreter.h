#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"

namespace nibble::jinja {

/// Variables of a block of the template, and the scope around it.
class Scope {
 public:
  explicit Scope(std::shared_ptr<Scope> parent);
  /// The nearest variable of that name, or null.
  const Value* find(std::string_view name) const;
  /// `name` must live as long as the scope: names are those of the syntax tree.
  void set(std::string_view name, Value value);
  void clear() { variables_.clear(); }

 private:
  std::shared_ptr<Scope> parent_;
  int depth_;
  std::vector<std::pair<std::string_view, Value>> variables_;
};

/// One rendering of a template.
class Interpreter : public Runtime {
 public:
  /// `variables` are the template's context; their names must outlive the interpreter.
  Interpreter(const std::vector<std::pair<std::string_view, Value>>& variables, uint64_t context_bytes);

  /// Runs the whole template and returns its output.
  std::string render(const Body& body);
  /// The line of the template that is running.
  int line() const { return line_; }

  // For the nodes of the syntax tree.
  Value evaluate(const Expr& expr);
  Arguments evaluate(const CallArguments& arguments);
  Flow execute(const Body& body);
  void print(std::string_view text);
  /// The output of a body, for a set block or a filter block. A loop control inside is returned in `flow`.
  std::string capture(const Body& body, Flow& flow);
  void assign(const Target& target, const Value& value);
  void at(int line) { line_ = line; }

  Scope& scope() { return *scope_; }
  const std::shared_ptr<Scope>& scope_pointer() const { return scope_; }
  const std::shared_ptr<Scope>& root_scope() const { return root_; }

  Value captured;  ///< what CapturedText reads

  /// Enters a scope for as long as it lives.
  class InScope {
   public:
    InScope(Interpreter& in, std::shared_ptr<Scope> scope)
        : in_(in), outer_(std::exchange(in.scope_, std::move(scope))) {}
    ~InScope() { in_.scope_ = std::move(outer_); }
    InScope(const InScope&) = delete;
    InScope& operator=(const InScope&) = delete;

   private:
    Interpreter& in_;
    std::shared_ptr<Scope> outer_;
  };
  std::shared_ptr<Scope> new_scope() const { return std::make_shared<Scope>(scope_); }

  /// Sends output to a string for as long as it lives.
  class InOutput {
   public:
    InOutput(Interpreter& in, std::string& out) : in_(in), outer_(std::exchange(in.out_, &out)) {}
    ~InOutput() { in_.out_ = outer_; }
    InOutput(const InOutput&) = delete;
    InOutput& operator=(const InOutput&) = delete;

   private:
    Interpreter& in_;
    std::string* outer_;
  };

 private:
  std::shared_ptr<Scope> root_, scope_;
  std::string* out_ = nullptr;
  int line_ = 1;
};

/// What a macro or a call block's body is as a value.
class MacroObject : public Object {
 public:
  MacroObject(Interpreter& in, const MacroDefinition& definition);
  std::string type_name() const override { return "Macro"; }
  std::string repr(Runtime& runtime) const override;
  std::optional<Value> attribute(std::string_view name) override;
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Arguments arguments) override;

 private:
  void bind(Scope& scope, Arguments arguments) const;
  void bind_special(Scope& scope, Arguments& arguments, bool found_caller) const;

  Interpreter& in_;
  const MacroDefinition& definition_;
  std::shared_ptr<Scope> closure_;
};

/// Runs a for loop over `iterable` in the interpreter's scope. `level` counts recursive loops, from 0.
Flow run_loop(Interpreter& in, const For& loop, const Value& iterable, int level);

}  // namespace nibble::jinja
