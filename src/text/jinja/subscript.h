#pragma once

#include <string>

#include "text/jinja/runtime.h"

/// How templates reach into values, as jinja2's sandbox does it.
namespace nibble::jinja {

/// value.name: Python's attribute, else the element, else undefined.
Value get_attribute(const Value& value, const std::string& name);
/// value[key]: the element, else for a string the attribute, else undefined.
Value get_item(Runtime& runtime, const Value& value, const Value& key);
/// value[start:stop:step], each a value or null.
Value get_slice(Runtime& runtime, const Value& value, const Value* start, const Value* stop,
                const Value* step);

/// An attribute path of a filter such as map(attribute='a.b.0'), or undefined's message.
Value get_path(Runtime& runtime, Value value, const Value& path, const Value* missing = nullptr);

}  // namespace nibble::jinja
