#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/engine.h"
#include "serve/grammars.h"
#include "serve/json_fields.h"

/// Beams, and the form that an answer must have.
namespace nibble {

/// num_beams and what belongs to it. With beams, `choices` of the best answers are returned; without, so many
/// answers are sampled. Speculation may be switched off here too.
void read_beams(const JsonFields& fields, uint32_t choices, GenerateParams& params);

/// response_format: {"type": "text"}, "json_object", "json_schema" or "regex". Throws ApiError for a schema
/// or an expression that can't be used.
void read_response_format(const JsonFields& fields, Grammars& grammars, GenerateParams& params);

/// The answer must be JSON of this schema, which `param` of the request asks for.
void require_schema(const nlohmann::ordered_json& schema, const std::string& param, Grammars& grammars,
                    GenerateParams& params);

}  // namespace nibble
