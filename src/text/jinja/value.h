#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

/// Python-like values of templates. Strings, lists, tuples and dicts never change once they are made
/// (jinja2's immutable sandbox refuses to), so they are shared freely.
namespace nibble::jinja {

class Runtime;
class Value;
struct Arguments;

/// Python's int, as far as 128 bits carry; beyond, operations fail.
using Int = __int128;

struct None {
  bool operator==(const None&) const = default;
};

/// A missing variable, attribute or element: prints as nothing, fails with `message` when it is used.
struct Undefined {
  std::shared_ptr<const std::string> message;
};

struct Str {
  explicit Str(std::string bytes, bool is_markup = false);
  std::string text;  ///< UTF-8
  size_t length;     ///< in characters
  bool markup;       ///< jinja2's Markup: made by |safe and |escape, escapes what is added to it

  bool one_byte_each() const { return length == text.size(); }
};

struct List {
  explicit List(std::vector<Value> values);
  std::vector<Value> items;
  int depth;            ///< 1 + the deepest element's
  uint64_t deep_bytes;  ///< about what it would print as: elements count as often as they occur
};

struct Tuple : List {
  using List::List;
  std::vector<std::string> names;  ///< of the elements, for named tuples (groupby)
};

/// An ordered dict. Grows only while it is being made.
class Dict {
 public:
  /// Throws Error when the key is unhashable.
  void set(Value key, Value value);
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  const std::vector<std::pair<Value, Value>>& entries() const { return entries_; }
  size_t size() const;
  int depth() const { return depth_; }
  uint64_t deep_bytes() const { return deep_bytes_; }

 private:
  std::optional<size_t> position(const Value& key) const;
  void account(const Value& value);

  std::vector<std::pair<Value, Value>> entries_;
  std::unordered_multimap<size_t, size_t> index_;  // hash -> position, once entries_ is long
  int depth_ = 1;
  uint64_t deep_bytes_ = 0;
};

/// Yields the next element, or nothing at the end.
using Iterator = std::function<std::optional<Value>()>;

/// Everything else: ranges, dict views, generators, namespaces, macros, loops, methods, ...
class Object : public std::enable_shared_from_this<Object> {
 public:
  virtual ~Object() = default;
  virtual std::string type_name() const = 0;
  virtual std::string repr(Runtime& runtime) const;
  virtual std::optional<Value> attribute(std::string_view name);
  virtual std::optional<Value> item(const Value& key);
  virtual bool callable() const { return false; }
  virtual Value call(Runtime& runtime, Arguments arguments);
  /// An empty function when the object can't be iterated over.
  virtual Iterator iterate() { return {}; }
  /// The same from the end, where Python's reversed() can.
  virtual Iterator iterate_reversed() { return {}; }
  virtual std::optional<size_t> length() const { return std::nullopt; }
  virtual bool equals(const Object& other) const { return this == &other; }
  virtual std::optional<bool> contains(const Value&) const { return std::nullopt; }
  virtual bool is_sequence() const { return false; }
  /// Nesting of values inside, as Value::depth().
  virtual int depth() const { return 0; }
};

class Value {
 public:
  using StrPtr = std::shared_ptr<const Str>;
  using ListPtr = std::shared_ptr<const List>;
  using TuplePtr = std::shared_ptr<const Tuple>;
  using DictPtr = std::shared_ptr<const Dict>;
  using ObjectPtr = std::shared_ptr<Object>;

  Value() : data_(None{}) {}
  static Value undefined(std::string message);
  static Value boolean(bool value) { return Value(value); }
  static Value integer(Int value) { return Value(value); }
  static Value real(double value) { return Value(value); }
  static Value string(std::string text, bool markup = false);
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);
  static Value dict(Dict dict);
  static Value object(ObjectPtr object) { return Value(std::move(object)); }
  explicit Value(TuplePtr tuple) : data_(std::move(tuple)) {}

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<Int>(data_) || is_bool(); }  ///< bool is an int
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_int() || is_float(); }
  bool is_string() const { return std::holds_alternative<StrPtr>(data_); }
  bool is_list() const { return std::holds_alternative<ListPtr>(data_); }
  bool is_tuple() const { return std::holds_alternative<TuplePtr>(data_); }
  bool is_dict() const { return std::holds_alternative<DictPtr>(data_); }
  bool is_object() const { return std::holds_alternative<ObjectPtr>(data_); }

  const std::string& undefined_message() const { return *std::get<Undefined>(data_).message; }
  Int as_int() const { return is_bool() ? Int(std::get<bool>(data_)) : std::get<Int>(data_); }
  double as_double() const { return is_float() ? std::get<double>(data_) : double(as_int()); }
  bool as_bool() const { return std::get<bool>(data_); }
  const Str& str() const { return *std::get<StrPtr>(data_); }
  const std::string& text() const { return str().text; }
  /// The elements of a list or tuple.
  const std::vector<Value>& items() const {
    return is_list() ? std::get<ListPtr>(data_)->items : std::get<TuplePtr>(data_)->items;
  }
  const Tuple& as_tuple() const { return *std::get<TuplePtr>(data_); }
  const Dict& as_dict() const { return *std::get<DictPtr>(data_); }
  DictPtr dict_pointer() const { return std::get<DictPtr>(data_); }
  Object& as_object() const { return *std::get<ObjectPtr>(data_); }
  template <typename T>
  T* object_as() const {
    return is_object() ? dynamic_cast<T*>(std::get<ObjectPtr>(data_).get()) : nullptr;
  }

  /// Python's `is`.
  bool same_as(const Value& other) const;
  /// Nesting of values in values; limited, so that walking and freeing them can recurse.
  int depth() const;
  /// What walking through the whole value costs, in bytes; saturates.
  uint64_t deep_bytes() const;

 private:
  template <typename T>
  explicit Value(T data) : data_(std::move(data)) {}

  std::variant<None, Undefined, bool, Int, double, StrPtr, ListPtr, TuplePtr, DictPtr, ObjectPtr> data_;
};

inline size_t Dict::size() const {
  return entries_.size();
}

/// The arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

/// Fails above kMaxValueDepth.
void check_value_depth(int depth);
/// type(value).__name__
std::string type_name(const Value& value);
/// Python's hash(): equal keys have equal hashes. Throws Error for what can't be a key.
size_t hash_value(const Value& value);
/// Python's ==. Walks both values whole: charge deep_bytes() for values that a template made.
bool equals(const Value& a, const Value& b);
/// Numbers compared without rounding ints; unordered when one is not a number (NaN).
std::partial_ordering compare_numbers(const Value& a, const Value& b);

}  // namespace nibble::jinja
