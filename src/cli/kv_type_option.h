#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "runtime/kv_cache.h"

namespace nibble {

/// --kv-type f16 or f32; the value it has before stands as the default.
inline void add_kv_type_option(CLI::App& command, KvType& type) {
  const std::string text =
      std::string("Type of the KV cache; default: ") + (type == KvType::f16 ? "f16" : "f32");
  command
      .add_option_function<std::string>(
          "--kv-type", [&type](const std::string& name) { type = name == "f16" ? KvType::f16 : KvType::f32; },
          text)
      ->check(CLI::IsMember({"f16", "f32"}))
      ->type_name("TYPE");
}

}  // namespace nibble
