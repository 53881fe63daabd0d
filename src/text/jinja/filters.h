#pragma once

#include <span>
#include <string>

#include "text/jinja/builtin.h"

namespace nibble::jinja {

/// value | name(arguments). Throws Error when there is no such filter.
Value apply_filter(Runtime& runtime, const std::string& name, Value value, Arguments arguments);
/// value is name(arguments). Throws Error when there is no such test.
bool apply_test(Runtime& runtime, const std::string& name, Value value, Arguments arguments);

bool is_filter(const std::string& name);
bool is_test(const std::string& name);

// The tables, one file each.
std::span<const Builtin> text_filters();
std::span<const Builtin> number_filters();
std::span<const Builtin> sequence_filters();
std::span<const Builtin> order_filters();   ///< sort, groupby, unique, min, max, dictsort
std::span<const Builtin> select_filters();  ///< map, select, reject, selectattr, rejectattr

}  // namespace nibble::jinja
