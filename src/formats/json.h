#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace nibble {

/// Parses JSON that a file holds. `where` (the file, and what of it) begins the error, which gives the
/// offset of what can't be read, such as bytes that are not UTF-8, and refuses a key that stands twice in
/// the outermost object.
nlohmann::json parse_json(std::string_view text, const std::string& where);

/// parse_json, and the outermost value must be an object.
nlohmann::json parse_json_object(std::string_view text, const std::string& where);

}  // namespace nibble
