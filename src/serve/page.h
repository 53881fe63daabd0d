#pragma once

#include <string>
#include <string_view>

#include "serve/router.h"

namespace nibble {

/// Answers GET of the page's files; "/" is /index.html. Needs no key: they hold nothing of the user's.
void add_page(Router& router);

/// "text/html; charset=utf-8" of "index.html".
std::string_view content_type(std::string_view path);

/// What gzip compressed.
std::string gunzip(std::string_view gzipped);

}  // namespace nibble
