#include "serve/http.h"

namespace nibble {

const std::string& HttpRequest::header(const std::string& lower_case_name) const {
  static const std::string kNone;
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? kNone : found->second;
}

void Exchange::respond(const nlohmann::ordered_json& body, int status) {
  response.status = status;
  response.content_type = "application/json";
  response.body = to_text(body);
}

std::string to_text(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace nibble
