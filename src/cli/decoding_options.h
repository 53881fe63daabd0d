#pragma once

#include <CLI/CLI.hpp>
#include <optional>
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
               uint64_t SamplingParams::*, uint32_t GenerateParams::*, uint32_t BeamParams::*,
               float BeamParams::*, EarlyStopping BeamParams::*>
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
  std::vector<std::string> logit_bias;  ///< ID=VALUE each
  std::string json_schema;              ///< a file
  std::optional<std::string> regex;
  bool json_mode = false, no_speculation = false;
};

/// Adds the flags of all parameters and of grammars and speculation, --logit-bias, --stop, --context and
/// --kv-type.
void add_decoding_options(CLI::App& command, DecodingOptions& options);

/// To be called when the command runs: completes the parameters from the flags, and throws UsageError for
/// values out of their range and for flags that contradict each other. A beam search is greedy where no flag
/// shapes how tokens are sampled.
void check_decoding_options(const CLI::App& command, DecodingOptions& options);

/// Makes the grammar that the flags ask for, now that the model's tokens are known. Throws Error that says
/// what is wrong with the schema or the expression.
void set_grammar(const Engine& engine, DecodingOptions& options);

}  // namespace nibble
