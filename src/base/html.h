#pragma once

#include <string>
#include <string_view>

namespace nibble {

/// Text for HTML: & < > ' " become entities, as markupsafe writes them.
std::string escape_html(std::string_view text);

}  // namespace nibble
