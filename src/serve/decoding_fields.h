#pragma once

#include "engine/engine.h"
#include "serve/json_fields.h"

namespace nibble {

/// How many choices a request may ask for.
inline constexpr int64_t kMostChoices = 128;

/// The decoding parameters of a request: OpenAI's, and nibble's own with Hugging Face's names. Those that
/// are absent keep the defaults of the command line. Length and log-probabilities are the endpoints' own.
/// Throws ApiError for values out of their range and for combinations that contradict each other.
void read_decoding(const JsonFields& fields, size_t vocab, GenerateParams& params);

}  // namespace nibble
