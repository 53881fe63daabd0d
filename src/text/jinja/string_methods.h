#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/builtin.h"

/// Methods of Python's str, and what filters share with them.
namespace nibble::jinja {

const BuiltinTable& string_methods();

/// At most `limit` replacements, all when it is negative.
std::string replace_text(Runtime& runtime, std::string_view text, std::string_view from, std::string_view to,
                         int64_t limit);
/// separator.join(parts)
std::string join_text(Runtime& runtime, std::string_view separator, const std::vector<std::string>& parts);
/// str.splitlines(): at every kind of line break; no empty part after the last.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

}  // namespace nibble::jinja
