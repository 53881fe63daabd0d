#pragma once

#include <string_view>

namespace nibble {

/// The API's OpenAPI 3.1 document: openapi.json, embedded by the build.
std::string_view openapi_document();

}  // namespace nibble
