#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/format.h"
#include "text/jinja/format_number.h"
#include "text/jinja/operators.h"
#include "text/jinja/string_literal.h"
#include "text/jinja/text.h"

namespace nibble::jinja {

namespace {

Value absolute(Runtime&, const Bound& bound) {
  const Value& value = bound[0];
  if (!value.is_number()) fail("bad operand type for abs(): '{}'", type_name(value));
  if (value.is_float()) return Value::real(std::abs(value.as_double()));
  return value.as_int() < 0 ? negate(value) : plus(value);
}

/// int(value) of a float, or nothing where Python raises ValueError or OverflowError.
std::optional<Int> truncated(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  if (std::abs(value) >= 0x1p126) fail("an integer is too large");
  return Int(value);
}

Value integer(Runtime&, const Bound& bound) {
  const Value& value = bound[0];
  require_defined(value);
  std::optional<Int> result;
  if (value.is_int()) {
    result = value.as_int();
  } else if (value.is_float()) {
    if (std::isinf(value.as_double())) fail("cannot convert float infinity to integer");
    result = truncated(value.as_double());
  } else if (value.is_string()) {
    const int64_t base = bound.integer(2, 10);
    if (base == 0 || (base >= 2 && base <= 36)) result = parse_int(value.text(), int(base));
    if (!result) {
      if (const auto real = parse_float(value.text())) result = truncated(*real);
    }
  }
  if (result) return Value::integer(*result);
  return bound.get(1) ? bound[1] : Value::integer(0);
}

Value real(Runtime&, const Bound& bound) {
  const Value& value = bound[0];
  require_defined(value);
  if (value.is_number()) return Value::real(value.as_double());
  if (value.is_string()) {
    if (const auto parsed = parse_float(value.text())) return Value::real(*parsed);
  }
  return bound.get(1) ? bound[1] : Value::real(0);
}

/// round(int, precision): only a negative precision changes it, half to even.
Value round_integer(Runtime& runtime, const Value& value, int64_t precision) {
  if (precision >= 0) return plus(value);
  if (precision < -38) return Value::integer(0);
  const Value unit = apply(runtime, BinaryOperator::power, Value::integer(10), Value::integer(-precision));
  const Int size = unit.as_int(), rest = apply(runtime, BinaryOperator::modulo, value, unit).as_int();
  const Int below = value.as_int() - rest;
  const bool odd = (below / size) % 2 != 0;
  const bool up = rest > size - rest || (rest == size - rest && odd);
  return Value::integer(up ? below + size : below);
}

Value round(Runtime& runtime, const Bound& bound) {
  const Value& value = bound[0];
  const int64_t precision = bound.integer(1, 0);
  const std::string method = bound.get(2) ? bound.text(2) : "common";
  if (method != "common" && method != "ceil" && method != "floor")
    fail("method must be common, ceil or floor");
  require_defined(value);
  if (!value.is_number()) fail("type {} doesn't define __round__ method", type_name(value));
  if (method == "common") {
    if (value.is_int()) return round_integer(runtime, value, precision);
    return Value::real(round_decimals(value.as_double(), precision));
  }
  const Value unit = apply(runtime, BinaryOperator::power, Value::integer(10), Value::integer(precision));
  const double scaled = apply(runtime, BinaryOperator::multiply, value, unit).as_double();
  if (!std::isfinite(scaled)) fail("cannot convert float to integer");
  const double whole = method == "ceil" ? std::ceil(scaled) : std::floor(scaled);
  return apply(runtime, BinaryOperator::divide, Value::real(whole), unit);
}

Value filesizeformat(Runtime& runtime, const Bound& bound) {
  const Bound as_float("filesizeformat", Signature("value"), {{bound[0]}, {}});
  double bytes = real(runtime, as_float).as_double();
  const bool binary = bound.truth(1, false);
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) return runtime.make_string("1 Byte");
  if (bytes < base) return runtime.make_string(fmt::format("{} Bytes", int64_t(bytes)));
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  for (size_t i = 0; i < kPrefixes.size(); ++i) {
    unit *= base;
    if (bytes >= unit && i + 1 < kPrefixes.size()) continue;
    const char prefix = binary && i == 0 ? 'K' : kPrefixes[i];
    return runtime.make_string(fmt::format("{:.1f} {}{}B", base * bytes / unit, prefix, binary ? "i" : ""));
  }
  return {};
}

constexpr Builtin kNumberFilters[] = {
    {"abs", "x /", absolute},
    {"filesizeformat", "value binary?", filesizeformat},
    {"float", "value default?", real},
    {"int", "value default? base?", integer},
    {"round", "value precision? method?", round},
};

}  // namespace

std::span<const Builtin> number_filters() {
  return kNumberFilters;
}

}  // namespace nibble::jinja
