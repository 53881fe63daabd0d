#pragma once

#include <memory>
#include <string_view>

#include "sampling/grammar/automaton.h"

namespace nibble {

/// JSON texts that a JSON schema accepts (draft 2020-12, the keywords that docs/decoding.md lists). The
/// properties of an object come in the schema's order; whitespace is what people and programs write: a
/// space, or a line with its indentation. Throws Error naming what is wrong or not supported, and where.
std::shared_ptr<const Automaton> json_schema_automaton(std::string_view schema);

}  // namespace nibble
