#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/value.h"

namespace nibble::jinja {

/// The attribute that Python's type of the value has under this name, usually a bound method.
/// Undefined with a message for those that the sandbox forbids (methods that change lists and dicts).
std::optional<Value> type_attribute(const Value& value, std::string_view name);

}  // namespace nibble::jinja
