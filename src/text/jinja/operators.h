#pragma once

#include <string_view>

#include "text/jinja/runtime.h"

/// Python's operators on values. All throw Error as Python raises TypeError, ZeroDivisionError or
/// jinja2's UndefinedError.
namespace nibble::jinja {

enum class BinaryOperator { add, subtract, multiply, divide, floor_divide, modulo, power };
enum class CompareOperator { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };

std::string_view spelling(BinaryOperator op);
std::string_view spelling(CompareOperator op);

bool is_true(const Value& value);
Value apply(Runtime& runtime, BinaryOperator op, const Value& left, const Value& right);
Value negate(const Value& value);
Value plus(const Value& value);
bool compare(Runtime& runtime, CompareOperator op, const Value& left, const Value& right);
/// left < right, for sorting.
bool is_less(Runtime& runtime, const Value& left, const Value& right);
/// item in container
bool contains(Runtime& runtime, const Value& container, const Value& item);

/// len(value); throws Error where Python does.
size_t length_of(const Value& value);
bool is_iterable(const Value& value);
/// iter(value). The iterator keeps what it needs alive.
Iterator iterate(const Value& value);
/// iter(value) where the first element is asked for: a generator fails only when it is run.
Iterator iterate_lazily(const Value& value);
/// list(value), charged.
std::vector<Value> to_vector(Runtime& runtime, const Value& value);

/// Fails with the message of an undefined value; does nothing for others.
void require_defined(const Value& value);
/// An index or count: int or bool within 64 bits, else Error.
int64_t to_index(const Value& value);

}  // namespace nibble::jinja
