#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "runtime/kv_cache.h"

namespace nibble {

/// --kv-type f16 or f32; the value it has before stands as the default.
inline void add_kv_type_option(CLI::App& command, KvType& type) {
  const std::map<std::string, KvType> names = {{"f16", KvType::f16}, {"f32", KvType::f32}};
  const std::string text =
      std::string("Type of the KV cache; default: ") + (type == KvType::f16 ? "f16" : "f32");
  command.add_option("--kv-type", type, text)
      ->transform(CLI::CheckedTransformer(names, CLI::ignore_case).description("f16 or f32"))
      ->type_name("TYPE");
}

}  // namespace nibble
