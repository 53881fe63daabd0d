// Renders chat templates for tests/test_templates.py. Reads lines of JSON
//   {"template": "...", "context": {...}}   or   {"preset": "alpaca", "context": {...}}
// from stdin and prints for each a line {"output": "..."} or {"error": "..."}.

#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "text/chat_template.h"

namespace {

using Json = nlohmann::ordered_json;

Json render(const Json& request) {
  try {
    const auto chat_template = request.contains("preset")
                                   ? nibble::ChatTemplate::preset(request["preset"].get<std::string>())
                                   : nibble::ChatTemplate(request["template"].get<std::string>());
    return {{"output", chat_template.render(request["context"])}};
  } catch (const std::exception& error) {
    return {{"error", error.what()}};
  }
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << render(Json::parse(line)).dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
  }
  return 0;
}
