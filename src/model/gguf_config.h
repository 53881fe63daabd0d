#pragma once

#include <string>

#include "formats/gguf.h"
#include "model/model_config.h"

namespace nibble {

/// The architectures that nibble runs, as errors list them.
inline constexpr const char* kSupportedArchitectures =
    "llama (Llama 1 to 3, SmolLM2), mistral, qwen2 (Qwen 2 and 2.5), qwen3";

/// The configuration that a GGUF file describes, by its metadata and its tensors. `name` is the file's,
/// for errors. Throws Error naming the key that is missing, wrong or asks for something nibble does not
/// run. Tensor shapes are not checked against it here.
ModelConfig read_config(const GgufFile& file, const std::string& name);

/// Writes the architecture's keys so that GGUF programs load the model: general.architecture, and
/// <architecture>.* as llama.cpp spells them. Rope scaling of the llama3 kind is not a key but the tensor
/// rope_freqs.weight (rope_factors.h); dynamic scaling, which GGUF lacks, gets nibble.rope.dynamic_factor.
void write_config(const ModelConfig& config, GgufMetadata& metadata);

/// Throws Error when the parts of a configuration contradict each other or cannot be run. `name` is
/// the file's.
void check_config(const ModelConfig& config, const std::string& name);

}  // namespace nibble
