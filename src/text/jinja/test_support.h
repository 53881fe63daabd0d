#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "text/chat_template.h"

/// For tests: rendering in one line.
namespace nibble::jinja {

inline std::string render(std::string_view source,
                          const nlohmann::ordered_json& context = nlohmann::ordered_json::object()) {
  return ChatTemplate(source).render(context);
}

/// The error of a template, or its output in brackets where there is none.
inline std::string render_error(std::string_view source,
                                const nlohmann::ordered_json& context = nlohmann::ordered_json::object()) {
  try {
    return "[" + render(source, context) + "]";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace nibble::jinja
