#include "formats/json.h"

#include <unordered_set>

#include "base/error.h"
#include "base/utf8.h"

namespace nibble {

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  const size_t invalid = find_invalid_utf8(text);
  if (invalid != text.size()) fail("{} is not UTF-8 at offset {}", where, invalid);
  std::unordered_set<std::string> keys;
  const auto check_key = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    if (depth == 1 && event == nlohmann::json::parse_event_t::key &&
        !keys.insert(parsed.get_ref<const std::string&>()).second) {
      fail("{}: the key {} stands twice", where, parsed.get_ref<const std::string&>());
    }
    return true;
  };
  try {
    return nlohmann::json::parse(text, check_key);
  } catch (const nlohmann::json::exception& error) {
    std::string_view message = error.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ..."
    if (const size_t end = message.find("] "); end != std::string_view::npos) message.remove_prefix(end + 2);
    fail("{} is not valid JSON: {}", where, message);
  }
}

nlohmann::json parse_json_object(std::string_view text, const std::string& where) {
  nlohmann::json value = parse_json(text, where);
  if (!value.is_object()) fail("{} must be a JSON object, but is {}", where, value.type_name());
  return value;
}

}  // namespace nibble
