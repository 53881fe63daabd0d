#include "text/jinja/operators.h"

#include <cmath>
#include <cstring>

#include "base/html.h"
#include "text/jinja/format.h"
#include "text/jinja/text.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

[[noreturn]] void fail_operands(std::string_view op, const Value& left, const Value& right) {
  fail("unsupported operand type(s) for {}: '{}' and '{}'", op, type_name(left), type_name(right));
}

Int floor_divide(Int a, Int b) {
  const Int quotient = a / b;
  return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

double floor_modulo(double a, double b) {
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  return rest == 0 ? std::copysign(0.0, b) : rest;
}

/// float.__floordiv__: from the remainder, so that it agrees with %.
double floor_divide(double a, double b) {
  const double rest = floor_modulo(a, b);
  const double quotient = (a - rest) / b;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value int_power(Int base, Int exponent) {
  if (exponent < 0) {
    if (base == 0) fail("0.0 cannot be raised to a negative power");
    return Value::real(std::pow(double(base), double(exponent)));
  }
  Int result = 1;
  bool overflow = false;
  while (exponent > 0) {
    if (exponent & 1) overflow |= __builtin_mul_overflow(result, base, &result);
    exponent >>= 1;
    if (exponent > 0) overflow |= __builtin_mul_overflow(base, base, &base);
    if (overflow) fail("an integer is too large");
  }
  return Value::integer(result);
}

Value float_power(double base, double exponent) {
  if (base == 0 && exponent < 0) fail("0.0 cannot be raised to a negative power");
  if (base < 0 && exponent != std::floor(exponent)) fail("complex numbers are not supported");
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent)) fail("a float is too large");
  return Value::real(result);
}

void check_divisor(const Value& divisor, bool real, std::string_view op) {
  if (divisor.as_double() != 0) return;
  if (op == "/" || !real) fail("division by zero");
  fail("float {} by zero", op == "%" ? "modulo" : "floor division");
}

Value apply_ints(BinaryOperator op, Int a, Int b) {
  Int result = 0;
  bool overflow = false;
  switch (op) {
    case BinaryOperator::add:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case BinaryOperator::subtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case BinaryOperator::multiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case BinaryOperator::divide:
      return Value::real(double(a) / double(b));
    case BinaryOperator::floor_divide:
      if (b == -1) return apply_ints(BinaryOperator::subtract, 0, a);
      return Value::integer(floor_divide(a, b));
    case BinaryOperator::modulo:
      return Value::integer(b == -1 ? 0 : a - floor_divide(a, b) * b);
    case BinaryOperator::power:
      return int_power(a, b);
  }
  if (overflow) fail("an integer is too large");
  return Value::integer(result);
}

Value apply_floats(BinaryOperator op, double a, double b) {
  switch (op) {
    case BinaryOperator::add:
      return Value::real(a + b);
    case BinaryOperator::subtract:
      return Value::real(a - b);
    case BinaryOperator::multiply:
      return Value::real(a * b);
    case BinaryOperator::divide:
      return Value::real(a / b);
    case BinaryOperator::floor_divide:
      return Value::real(floor_divide(a, b));
    case BinaryOperator::modulo:
      return Value::real(floor_modulo(a, b));
    case BinaryOperator::power:
      return float_power(a, b);
  }
  return {};
}

Value apply_numbers(BinaryOperator op, const Value& left, const Value& right) {
  const bool real = left.is_float() || right.is_float();
  if (op == BinaryOperator::divide || op == BinaryOperator::floor_divide || op == BinaryOperator::modulo) {
    check_divisor(right, real, spelling(op));
  }
  return real ? apply_floats(op, left.as_double(), right.as_double())
              : apply_ints(op, left.as_int(), right.as_int());
}

/// text * count and list * count.
Value repeat(Runtime& runtime, const Value& value, const Value& count_value) {
  const auto count = uint64_t(std::max<int64_t>(to_index(count_value), 0));
  if (value.is_string()) {
    const std::string& text = value.text();
    runtime.budget().charge_product(count, text.size());
    std::string out;
    out.reserve(text.size() * count);
    for (uint64_t i = 0; i < count && !text.empty(); ++i) out += text;
    return Value::string(std::move(out), value.str().markup);
  }
  const std::vector<Value>& items = value.items();
  runtime.budget().charge_product(count, items.size() * kElementBytes);
  std::vector<Value> out;
  for (uint64_t i = 0; i < count && !items.empty(); ++i) out.insert(out.end(), items.begin(), items.end());
  return value.is_list() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
}

Value add_strings(Runtime& runtime, const Value& left, const Value& right) {
  const bool markup = left.str().markup || right.str().markup;
  const auto part = [&](const Value& value) {
    return markup && !value.str().markup ? escape_html(value.text()) : value.text();
  };
  runtime.budget().charge(left.text().size() + right.text().size());
  return runtime.make_string(part(left) + part(right), markup);
}

Value add_lists(Runtime& runtime, const Value& left, const Value& right) {
  runtime.budget().charge_elements(left.items().size() + right.items().size());
  std::vector<Value> items = left.items();
  items.insert(items.end(), right.items().begin(), right.items().end());
  return left.is_list() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

bool is_repeatable(const Value& value) {
  return value.is_string() || value.is_list() || value.is_tuple();
}

bool less_items(Runtime& runtime, const std::vector<Value>& a, const std::vector<Value>& b, bool or_equal) {
  const size_t common = std::min(a.size(), b.size());
  for (size_t i = 0; i < common; ++i) {
    if (!equals(a[i], b[i]))
      return compare(runtime, or_equal ? CompareOperator::less_equal : CompareOperator::less, a[i], b[i]);
  }
  return or_equal ? a.size() <= b.size() : a.size() < b.size();
}

/// left < right, or left <= right. `op` is for the message.
bool ordered(Runtime& runtime, const Value& left, const Value& right, bool or_equal, CompareOperator op,
             bool swapped) {
  require_defined(left);
  require_defined(right);
  if (left.is_number() && right.is_number()) {
    const auto order = compare_numbers(left, right);
    return std::is_lt(order) || (or_equal && std::is_eq(order));
  }
  if (left.is_string() && right.is_string()) {
    const int order = left.text().compare(right.text());
    return order < 0 || (or_equal && order == 0);
  }
  if ((left.is_list() && right.is_list()) || (left.is_tuple() && right.is_tuple())) {
    const Runtime::Level level(runtime);
    return less_items(runtime, left.items(), right.items(), or_equal);
  }
  const Value& first = swapped ? right : left;
  const Value& second = swapped ? left : right;
  fail("'{}' not supported between instances of '{}' and '{}'", spelling(op), type_name(first),
       type_name(second));
}

void charge_walk(Runtime& runtime, const Value& left, const Value& right) {
  runtime.budget().charge(std::min(left.deep_bytes(), right.deep_bytes()) / 8);
}

bool string_contains(Runtime& runtime, const std::string& text, const std::string& needle) {
  runtime.budget().charge(text.size() / 64);
  return needle.empty() || memmem(text.data(), text.size(), needle.data(), needle.size()) != nullptr;
}

}  // namespace

std::string_view spelling(BinaryOperator op) {
  constexpr std::string_view kSpellings[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kSpellings[size_t(op)];
}

std::string_view spelling(CompareOperator op) {
  constexpr std::string_view kSpellings[] = {"==", "!=", "<", "<=", ">", ">=", "in", "not in"};
  return kSpellings[size_t(op)];
}

void require_defined(const Value& value) {
  if (value.is_undefined()) fail("{}", value.undefined_message());
}

int64_t to_index(const Value& value) {
  require_defined(value);
  if (!value.is_int()) fail("'{}' object cannot be interpreted as an integer", type_name(value));
  if (value.as_int() > INT64_MAX || value.as_int() < INT64_MIN) fail("an index or a count is too large");
  return int64_t(value.as_int());
}

bool is_true(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_int()) return value.as_int() != 0;
  if (value.is_float()) return value.as_double() != 0;
  if (value.is_object()) return value.as_object().length().value_or(1) != 0;
  return length_of(value) != 0;
}

Value apply(Runtime& runtime, BinaryOperator op, const Value& left, const Value& right) {
  if (op == BinaryOperator::modulo && left.is_string()) return format_percent(runtime, left, right);
  require_defined(left);
  require_defined(right);
  if (left.is_number() && right.is_number()) return apply_numbers(op, left, right);
  if (op == BinaryOperator::multiply) {
    if (is_repeatable(left) && right.is_int()) return repeat(runtime, left, right);
    if (is_repeatable(right) && left.is_int()) return repeat(runtime, right, left);
  }
  if (op == BinaryOperator::add) {
    if (left.is_string() && right.is_string()) return add_strings(runtime, left, right);
    if ((left.is_list() && right.is_list()) || (left.is_tuple() && right.is_tuple()))
      return add_lists(runtime, left, right);
    if (left.is_string()) fail("can only concatenate str (not \"{}\") to str", type_name(right));
    if (left.is_list() || left.is_tuple()) {
      fail("can only concatenate {0} (not \"{1}\") to {0}", type_name(left), type_name(right));
    }
  }
  fail_operands(spelling(op), left, right);
}

Value negate(const Value& value) {
  require_defined(value);
  if (value.is_int()) return apply_ints(BinaryOperator::subtract, 0, value.as_int());
  if (value.is_float()) return Value::real(-value.as_double());
  fail("bad operand type for unary -: '{}'", type_name(value));
}

Value plus(const Value& value) {
  require_defined(value);
  if (value.is_int()) return Value::integer(value.as_int());
  if (value.is_float()) return value;
  fail("bad operand type for unary +: '{}'", type_name(value));
}

bool compare(Runtime& runtime, CompareOperator op, const Value& left, const Value& right) {
  charge_walk(runtime, left, right);
  switch (op) {
    case CompareOperator::equal:
      return equals(left, right);
    case CompareOperator::not_equal:
      return !equals(left, right);
    case CompareOperator::less:
      return ordered(runtime, left, right, false, op, false);
    case CompareOperator::less_equal:
      return ordered(runtime, left, right, true, op, false);
    case CompareOperator::greater:
      return ordered(runtime, right, left, false, op, true);
    case CompareOperator::greater_equal:
      return ordered(runtime, right, left, true, op, true);
    case CompareOperator::in:
      return contains(runtime, right, left);
    case CompareOperator::not_in:
      return !contains(runtime, right, left);
  }
  return false;
}

bool is_less(Runtime& runtime, const Value& left, const Value& right) {
  return compare(runtime, CompareOperator::less, left, right);
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) fail("'in <string>' requires string as left operand, not {}", type_name(item));
    return string_contains(runtime, container.text(), item.text());
  }
  if (container.is_dict()) {
    charge_walk(runtime, item, item);
    return container.as_dict().find(item) != nullptr;
  }
  if (container.is_object()) {
    if (const auto answer = container.as_object().contains(item)) return *answer;
  }
  if (!is_iterable(container)) fail("argument of type '{}' is not iterable", type_name(container));
  const Iterator next = iterate(container);
  while (const auto element = next()) {
    charge_walk(runtime, *element, item);
    runtime.budget().charge(1);
    if (element->same_as(item) || equals(*element, item)) return true;
  }
  return false;
}

size_t length_of(const Value& value) {
  if (value.is_undefined()) return 0;
  if (value.is_string()) return value.str().length;
  if (value.is_list() || value.is_tuple()) return value.items().size();
  if (value.is_dict()) return value.as_dict().size();
  if (value.is_object()) {
    if (const auto length = value.as_object().length()) return *length;
  }
  fail("object of type '{}' has no len()", type_name(value));
}

bool is_iterable(const Value& value) {
  if (value.is_object()) return bool(value.as_object().iterate());
  return !value.is_none() && !value.is_number();
}

Iterator iterate(const Value& value) {
  if (value.is_undefined()) return [] { return std::optional<Value>(); };
  if (value.is_list() || value.is_tuple()) {
    return [value, at = size_t(0)]() mutable -> std::optional<Value> {
      if (at == value.items().size()) return std::nullopt;
      return value.items()[at++];
    };
  }
  if (value.is_dict()) {
    return [value, at = size_t(0)]() mutable -> std::optional<Value> {
      if (at == value.as_dict().size()) return std::nullopt;
      return value.as_dict().entries()[at++].first;
    };
  }
  if (value.is_string()) {
    return [value, at = size_t(0)]() mutable -> std::optional<Value> {
      if (at == value.text().size()) return std::nullopt;
      const size_t bytes = character_at(value.text(), at).bytes;
      at += bytes;
      return Value::string(value.text().substr(at - bytes, bytes));
    };
  }
  if (value.is_object()) {
    if (Iterator iterator = value.as_object().iterate()) return iterator;
  }
  fail("'{}' object is not iterable", type_name(value));
}

Iterator iterate_lazily(const Value& value) {
  return [value, next = Iterator()]() mutable {
    if (!next) next = iterate(value);
    return next();
  };
}

std::vector<Value> to_vector(Runtime& runtime, const Value& value) {
  std::vector<Value> items;
  const Iterator next = iterate(value);
  while (auto item = next()) {
    runtime.budget().charge_elements(value.is_string() ? 4 : 1);
    items.push_back(std::move(*item));
  }
  return items;
}

}  // namespace nibble::jinja
