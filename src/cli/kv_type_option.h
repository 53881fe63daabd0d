#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "runtime/kv_cache.h"

namespace nibble {

/// --kv-type; the value it has before stands as the default.
inline void add_kv_type_option(CLI::App& command, KvType& type) {
  command
      .add_option_function<std::string>(
          "--kv-type", [&type](const std::string& name) { type = *kv_type_from_name(name); },
          "Type of the KV cache; default: " + std::string(kv_type_name(type)))
      ->check(CLI::IsMember(kv_type_names()))
      ->type_name("TYPE");
}

}  // namespace nibble
