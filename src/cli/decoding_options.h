#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <variant>

#include "engine/engine.h"

namespace nibble {

/// One decoding parameter: the flag of generate and chat, and what chat's /set changes. Flags are
/// spelled --top-k, the parameters as in Hugging Face's generate, top_k.
struct DecodingParameter {
  const char* name;
  const char* description;
  std::variant<bool SamplingParams::*, int SamplingParams::*, float SamplingParams::*,
               uint64_t SamplingParams::*, uint32_t GenerateParams::*>
      member;

  /// True when it has no effect in greedy decoding.
  bool shapes_sampling() const;
  std::string flag() const;
  std::string get(const GenerateParams& params) const;
  /// Throws Error naming the parameter, the value and what it may be; params are unchanged then.
  void set(GenerateParams& params, const std::string& value) const;
};

std::span<const DecodingParameter> decoding_parameters();
/// Null when there is none of this name; "top-k" is top_k.
const DecodingParameter* find_decoding_parameter(std::string name);

struct DecodingOptions {
  GenerateParams params;
  EngineOptions engine;
};

/// Adds the flags of all parameters, --stop, --context and --kv-type.
void add_decoding_options(CLI::App& command, DecodingOptions& options);

/// To be called when the command runs: throws UsageError for values out of their range, and for flags
/// that contradict each other.
void check_decoding_options(const CLI::App& command, const DecodingOptions& options);

}  // namespace nibble
