#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "base/byte_size.h"
#include "base/error.h"

namespace nibble {

/// An option that takes a size in bytes, such as 4GB or 3.5GiB.
inline CLI::Option* add_size_option(CLI::App& command, const std::string& flag, uint64_t& bytes,
                                    const std::string& description) {
  const auto take = [flag, &bytes](const std::string& text) {
    const auto size = parse_byte_size(text);
    if (!size) throw_usage("{} {}: write a size above 0, such as 4GB or 3.5GiB", flag, text);
    bytes = *size;
  };
  return command.add_option_function<std::string>(flag, take, description)->type_name("SIZE");
}

}  // namespace nibble
