#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace nibble::jinja {

/// Parses a template as jinja2 does with trim_blocks, lstrip_blocks, loop controls and transformers'
/// generation tag. Throws Error "line N: ...".
Body parse_template(std::string_view source);

}  // namespace nibble::jinja
