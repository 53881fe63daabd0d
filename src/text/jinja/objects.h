#pragma once

#include <string>
#include <vector>

#include "text/jinja/runtime.h"

/// The small built-in objects of templates. Those of the language itself (macros, loops) stand with the
/// interpreter.
namespace nibble::jinja {

/// range(start, stop, step).
class Range : public Object {
 public:
  /// Throws Error above kMaxRange elements.
  Range(int64_t start, int64_t stop, int64_t step);

  std::string type_name() const override { return "range"; }
  std::string repr(Runtime& runtime) const override;
  std::optional<Value> attribute(std::string_view name) override;
  std::optional<Value> item(const Value& key) override;
  Iterator iterate() override;
  Iterator iterate_reversed() override;
  std::optional<size_t> length() const override { return size_; }
  bool equals(const Object& other) const override;
  bool is_sequence() const override { return true; }

 private:
  Value at(size_t index) const { return Value::integer(Int(start_) + Int(index) * step_); }
  int64_t start_, stop_, step_;
  size_t size_;
};

/// dict.keys(), dict.values(), dict.items().
class DictView : public Object {
 public:
  enum class Part { keys, values, items };
  DictView(Value::DictPtr dict, Part part) : dict_(std::move(dict)), part_(part) {}

  std::string type_name() const override;
  std::string repr(Runtime& runtime) const override;
  Iterator iterate() override;
  Iterator iterate_reversed() override;
  std::optional<size_t> length() const override { return dict_->size(); }
  int depth() const override { return dict_->depth() + 1; }

 private:
  Value at(size_t index) const;
  Value::DictPtr dict_;
  Part part_;
};

/// What can be iterated over once: the result of map, select, reverse, ...
class Generator : public Object {
 public:
  /// `depth` is that of the values that `next` holds.
  Generator(Iterator next, int depth, std::string type)
      : next_(std::move(next)), depth_(depth + 1), type_(std::move(type)) {
    check_value_depth(depth_);
  }
  static Value make(Iterator next, int depth, std::string type = "generator") {
    return Value::object(std::make_shared<Generator>(std::move(next), depth, std::move(type)));
  }

  std::string type_name() const override { return type_; }
  Iterator iterate() override;
  int depth() const override { return depth_; }

 private:
  Iterator next_;
  int depth_;
  std::string type_;
};

/// namespace(...): the only value that templates can change, by {% set ns.name = ... %}.
class Namespace : public Object {
 public:
  std::string type_name() const override { return "Namespace"; }
  std::string repr(Runtime& runtime) const override;
  std::optional<Value> attribute(std::string_view name) override;
  void set(std::string_view name, Value value);
  void clear() { attributes_.clear(); }

 private:
  std::vector<std::pair<std::string, Value>> attributes_;
};

/// iter(reversed(value)), or an empty function where Python raises TypeError.
Iterator iterate_reversed(const Value& value);

/// range, dict, namespace, cycler, joiner, raise_exception and strftime_now.
std::vector<std::pair<std::string_view, Value>> global_functions();

}  // namespace nibble::jinja
