#include <algorithm>

#include "text/jinja/builtin.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/text.h"

/// For loops and their `loop` variable.
namespace nibble::jinja {

namespace {

class LoopObject : public Object {
 public:
  /// `length` is nothing when only running through the elements can tell.
  LoopObject(Interpreter& in, const For& loop, Iterator next, std::optional<size_t> length, int level)
      : in_(in),
        loop_(loop),
        next_(std::move(next)),
        length_(length),
        level_(level),
        outer_(in.scope_pointer()) {}

  std::string type_name() const override { return "LoopContext"; }
  std::string repr(Runtime&) const override {
    return "<LoopContext " + std::to_string(index_) + "/" +
           std::to_string(const_cast<LoopObject*>(this)->count()) + ">";
  }
  std::optional<size_t> length() const override { return const_cast<LoopObject*>(this)->count(); }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Arguments arguments) override;
  std::optional<Value> attribute(std::string_view name) override;

  /// Goes to the next element, or returns false.
  bool advance(Value& item) {
    std::optional<Value> next = after_ ? std::move(after_) : pull();
    after_.reset();
    if (!next) return false;
    before_ = std::move(current_);
    current_ = *next;
    item = std::move(*next);
    ++index_;
    return true;
  }

  bool changed(const std::vector<Value>& values) {
    if (last_changed_ && std::equal(values.begin(), values.end(), last_changed_->begin(),
                                    last_changed_->end(), jinja::equals)) {
      return false;
    }
    last_changed_ = values;
    return true;
  }

  /// Cuts the references that could hold a chain of finished loops together.
  void finish() {
    next_ = {};
    outer_.reset();
    before_.reset();
    current_.reset();
    after_.reset();
    last_changed_.reset();
  }

  size_t index0() const { return index_ - 1; }

 private:
  std::optional<Value> pull() {
    if (at_end_ || !next_) return std::nullopt;
    std::optional<Value> item = next_();
    at_end_ = !item;
    return item;
  }

  const std::optional<Value>& peek() {
    if (!after_) after_ = pull();
    return after_;
  }

  /// len(loop): runs through the rest when the length is not known.
  size_t count() {
    if (length_) return *length_;
    auto rest = std::make_shared<std::vector<Value>>();
    while (auto item = pull()) {
      in_.budget().charge_elements(1);
      rest->push_back(std::move(*item));
    }
    length_ = index_ + rest->size() + (after_ ? 1 : 0);
    at_end_ = false;
    next_ = [rest, at = size_t(0)]() mutable -> std::optional<Value> {
      if (at == rest->size()) return std::nullopt;
      return std::move((*rest)[at++]);
    };
    return *length_;
  }

  Interpreter& in_;
  const For& loop_;
  Iterator next_;
  std::optional<size_t> length_;
  int level_;
  std::shared_ptr<Scope> outer_;
  size_t index_ = 0;
  bool at_end_ = false;
  std::optional<Value> before_, current_, after_;
  std::optional<std::vector<Value>> last_changed_;
};

struct FinishAtEnd {
  LoopObject& loop;
  ~FinishAtEnd() { loop.finish(); }
};

Value loop_cycle(Runtime&, const Bound& bound) {
  const std::vector<Value>& values = bound.rest.positional;
  if (values.empty()) fail("no items for cycling given");
  return values[bound[0].object_as<LoopObject>()->index0() % values.size()];
}

Value loop_changed(Runtime& runtime, const Bound& bound) {
  for (const Value& value : bound.rest.positional) runtime.budget().charge(value.deep_bytes() / 8);
  return Value::boolean(bound[0].object_as<LoopObject>()->changed(bound.rest.positional));
}

std::optional<Value> LoopObject::attribute(std::string_view name) {
  static const Builtin kMethods[] = {{"cycle", "self / *", loop_cycle},
                                     {"changed", "self / *", loop_changed}};
  static const BuiltinTable kTable(kMethods);
  if (const auto* entry = kTable.find(name)) {
    return Value::object(std::make_shared<BuiltinFunction>(*entry, Value::object(shared_from_this())));
  }
  const auto number = [](size_t value) { return Value::integer(Int(value)); };
  if (name == "index") return number(index_);
  if (name == "index0") return Value::integer(Int(index_) - 1);
  if (name == "first") return Value::boolean(index_ == 1);
  if (name == "last") return Value::boolean(!peek());
  if (name == "length") return number(count());
  if (name == "revindex") return Value::integer(Int(count()) - Int(index_) + 1);
  if (name == "revindex0") return Value::integer(Int(count()) - Int(index_));
  if (name == "depth") return Value::integer(level_ + 1);
  if (name == "depth0") return Value::integer(level_);
  if (name == "previtem")
    return index_ != 1 && before_ ? *before_ : Value::undefined("there is no previous item");
  if (name == "nextitem") return peek() ? *peek() : Value::undefined("there is no next item");
  return std::nullopt;
}

Value LoopObject::call(Runtime& runtime, Arguments arguments) {
  if (!loop_.recursive) fail("The loop must have the 'recursive' marker to be called recursively.");
  if (!outer_) fail("a loop can't be called after its end");
  if (arguments.positional.size() != 1 || !arguments.keywords.empty()) fail("loop() takes one argument");
  std::string out;
  const Interpreter::InScope scope(in_, outer_);
  const Interpreter::InOutput output(in_, out);
  run_loop(in_, loop_, arguments.positional[0], level_ + 1);
  return runtime.make_string(std::move(out));
}

/// The elements of `source` that pass the loop's filter. It is asked one element at a time, so it sees
/// what the loop's body has changed.
Iterator filtered(Interpreter& in, const For& loop, Iterator source) {
  return [&in, &loop, source = std::move(source), outer = in.scope_pointer()]() -> std::optional<Value> {
    while (auto item = source()) {
      in.budget().step();
      const Interpreter::InScope scope(in, std::make_shared<Scope>(outer));
      in.assign(loop.target, *item);
      if (is_true(in.evaluate(*loop.filter))) return item;
    }
    return std::nullopt;
  };
}

}  // namespace

Flow run_loop(Interpreter& in, const For& loop, const Value& iterable, int level) {
  const Runtime::Level recursion(in);
  Iterator source = iterate(iterable);
  std::optional<size_t> length;
  if (loop.filter) {
    source = filtered(in, loop, std::move(source));
  } else if (!iterable.is_object() || iterable.as_object().length()) {
    length = length_of(iterable);
  }
  const auto state = std::make_shared<LoopObject>(in, loop, std::move(source), length, level);
  const FinishAtEnd finish{*state};
  const auto outer = in.scope_pointer();
  bool completed = false;  // a body ran to its end
  Value item;
  while (state->advance(item)) {
    in.budget().step();
    const auto scope = std::make_shared<Scope>(outer);
    scope->set("loop", Value::object(state));
    const Interpreter::InScope inside(in, scope);
    in.at(loop.line);
    in.assign(loop.target, item);
    const Flow flow = in.execute(loop.body);
    if (flow == Flow::break_loop) break;
    completed |= flow == Flow::normal;
  }
  // As in jinja2, the else part also runs when every turn was cut short.
  if (completed) return Flow::normal;
  const Interpreter::InScope inside(in, std::make_shared<Scope>(outer));
  return in.execute(loop.otherwise);
}

Flow For::execute(Interpreter& in) const {
  const Value values = in.evaluate(*iterable);
  in.at(line);
  if (!recursive) return run_loop(in, *this, values, 0);
  std::string out;
  {
    const Interpreter::InOutput output(in, out);
    run_loop(in, *this, values, 0);
  }
  in.print(out);
  return Flow::normal;
}

}  // namespace nibble::jinja
