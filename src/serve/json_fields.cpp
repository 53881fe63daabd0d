#include "serve/json_fields.h"

#include <cmath>
#include <utility>

#include "serve/api_error.h"

namespace nibble {

namespace {

/// Deeper bodies could exhaust the stack of what walks them.
constexpr int kDeepest = 64;

}  // namespace

JsonFields::Json JsonFields::parse_body(const std::string& body) {
  bool too_deep = false;
  const auto limit_depth = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kDeepest;
    return !too_deep;
  };
  try {
    Json parsed = Json::parse(body, limit_depth);
    if (too_deep) throw ApiError(400, "the body's JSON is nested too deeply");
    if (!parsed.is_object()) throw ApiError(400, "the body must be a JSON object");
    return parsed;
  } catch (const Json::exception& error) {  // numbers too large for a double are no parse_error
    throw ApiError(400, fmt::format("the body is no JSON: {}", error.what()), {}, "invalid_json");
  }
}

JsonFields::JsonFields(const Json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {
  if (!object_.is_object()) {
    const std::string name = prefix_.empty() ? "" : prefix_.substr(0, prefix_.size() - 1);
    fail_field(name, "{} must be an object", name.empty() ? "the body" : name);
  }
}

const JsonFields::Json* JsonFields::find(const char* name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

const JsonFields::Json& JsonFields::required(const char* name) const {
  const Json* value = find(name);
  if (!value) fail_field(path(name), "{} is missing", path(name));
  return *value;
}

std::optional<bool> JsonFields::boolean(const char* name) const {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_boolean()) fail_field(path(name), "{} must be true or false", path(name));
  return value->get<bool>();
}

std::optional<int64_t> JsonFields::integer(const char* name, int64_t least, int64_t most) const {
  const Json* value = find(name);
  if (!value) return {};
  // Some clients write whole numbers as 16.0.
  const bool whole = value->is_number_float() && std::floor(value->get<double>()) == value->get<double>() &&
                     std::abs(value->get<double>()) < 0x1p53;
  const bool too_large = value->is_number_unsigned() && value->get<uint64_t>() > uint64_t(INT64_MAX);
  if ((!value->is_number_integer() && !whole) || too_large) {
    fail_field(path(name), "{} must be a whole number", path(name));
  }
  const int64_t number = whole ? int64_t(value->get<double>()) : value->get<int64_t>();
  if (number < least || number > most) {
    if (most == std::numeric_limits<int64_t>::max()) {
      fail_field(path(name), "{} is {}, but must be at least {}", path(name), number, least);
    }
    fail_field(path(name), "{} is {}, but must be from {} to {}", path(name), number, least, most);
  }
  return number;
}

std::optional<double> JsonFields::number(const char* name, double least, double most) const {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_number()) fail_field(path(name), "{} must be a number", path(name));
  const double number = value->get<double>();
  if (!(number >= least && number <= most)) {
    fail_field(path(name), "{} is {}, but must be from {} to {}", path(name), number, least, most);
  }
  return number;
}

std::optional<std::string> JsonFields::text(const char* name) const {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_string()) fail_field(path(name), "{} must be a text", path(name));
  return value->get<std::string>();
}

std::string JsonFields::required_text(const char* name) const {
  required(name);
  return *text(name);
}

std::vector<std::string> JsonFields::texts(const char* name) const {
  const Json* value = find(name);
  if (!value) return {};
  if (value->is_string()) return {value->get<std::string>()};
  std::vector<std::string> result;
  if (!value->is_array()) fail_field(path(name), "{} must be a text or a list of texts", path(name));
  for (const Json& element : *value) {
    if (!element.is_string()) fail_field(path(name), "{} must be a text or a list of texts", path(name));
    result.push_back(element.get<std::string>());
  }
  return result;
}

const JsonFields::Json* JsonFields::object(const char* name) const {
  const Json* value = find(name);
  if (value && !value->is_object()) fail_field(path(name), "{} must be an object", path(name));
  return value;
}

const JsonFields::Json* JsonFields::array(const char* name) const {
  const Json* value = find(name);
  if (value && !value->is_array()) fail_field(path(name), "{} must be a list", path(name));
  return value;
}

std::vector<int32_t> read_token_ids(const nlohmann::ordered_json& list, const std::string& name,
                                    size_t vocab) {
  std::vector<int32_t> ids;
  if (!list.is_array()) fail_field(name, "{} must be a list of token ids", name);
  ids.reserve(list.size());
  for (const auto& element : list) {
    if (!element.is_number_unsigned() || element.get<uint64_t>() >= vocab) {
      fail_field(name, "{} must hold token ids from 0 to {}", name, vocab - 1);
    }
    ids.push_back(int32_t(element.get<uint64_t>()));
  }
  return ids;
}

}  // namespace nibble
