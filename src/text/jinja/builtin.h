#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/runtime.h"

namespace nibble::jinja {

/// The parameters of a built-in function, parsed from a line such as "text old new count?":
///   name   must be given        name?  may be left out        /   those before it only by position
///   *      takes further positional arguments                 **  takes further keywords
class Signature {
 public:
  explicit Signature(std::string_view text);

 private:
  friend class Bound;
  struct Parameter {
    std::string name;
    bool optional, positional_only;
  };
  std::vector<Parameter> parameters_;
  bool takes_rest_ = false, takes_keywords_ = false;
};

/// Arguments matched to parameters. Throws Error naming the function, as Python raises TypeError.
class Bound {
 public:
  Bound(std::string_view function, const Signature& signature, Arguments arguments);

  /// Null when the argument was left out.
  const Value* get(size_t parameter) const { return values_[parameter] ? &*values_[parameter] : nullptr; }
  const Value& operator[](size_t parameter) const { return *values_[parameter]; }
  /// Null when left out or none.
  const Value* given(size_t parameter) const;
  int64_t integer(size_t parameter, int64_t otherwise) const;
  bool truth(size_t parameter, bool otherwise) const;
  /// A str, else Error.
  const std::string& text(size_t parameter) const;

  Arguments rest;  ///< what * and ** took

 private:
  std::vector<std::optional<Value>> values_;
};

/// A row of a table of built-in functions, filters, tests or methods.
struct Builtin {
  std::string_view name, signature;
  Value (*function)(Runtime& runtime, const Bound& bound);
};

/// A table with its signatures parsed, for looking up by name.
class BuiltinTable {
 public:
  struct Entry {
    Builtin builtin;
    Signature signature;
    Value call(Runtime& runtime, Arguments arguments) const;
  };

  explicit BuiltinTable(std::initializer_list<std::span<const Builtin>> tables);
  template <size_t N>
  explicit BuiltinTable(const Builtin (&rows)[N]) : BuiltinTable({std::span<const Builtin>(rows)}) {}
  /// Null when there is none.
  const Entry* find(std::string_view name) const;

 private:
  std::unordered_map<std::string_view, Entry> entries_;
};

/// A function or a method with its self, as a value.
class BuiltinFunction : public Object {
 public:
  explicit BuiltinFunction(const BuiltinTable::Entry& entry) : entry_(entry) {}
  BuiltinFunction(const BuiltinTable::Entry& entry, Value self) : entry_(entry), self_(std::move(self)) {
    check_value_depth(depth());
  }

  std::string type_name() const override { return "builtin_function_or_method"; }
  std::string repr(Runtime& runtime) const override;
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Arguments arguments) override;
  int depth() const override { return self_ ? self_->depth() + 1 : 0; }

 private:
  const BuiltinTable::Entry& entry_;
  std::optional<Value> self_;
};

}  // namespace nibble::jinja
