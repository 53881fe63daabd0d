#pragma once

#include <string_view>

#include "serve/answers.h"
#include "serve/api_error.h"

namespace nibble {

/// OpenAI's finish_reason.
std::string_view finish_reason(StopReason reason);

/// What is to be said to a client whose answers did not end by themselves: throws ApiError for a server that
/// stops, and for a request that got nothing within its time.
void check_end(Answers::End end, bool has_text);

}  // namespace nibble
