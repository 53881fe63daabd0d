#pragma once

#include <span>
#include <string_view>

namespace nibble {

/// A file of the web page as it lies in the program.
struct PageFile {
  std::string_view path;     ///< "/index.html"
  std::string_view gzipped;  ///< its content, compressed
  std::string_view etag;     ///< of the content, in quotes
};

/// Empty in a program that was built with NIBBLE_WEB=OFF.
std::span<const PageFile> page_files();

}  // namespace nibble
