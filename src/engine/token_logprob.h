#pragma once

#include <cstdint>
#include <span>

#include "engine/engine.h"

namespace nibble {

/// The token's log-probability in a row of logits [vocab], and the `top` most probable ones, of equal ones
/// those with smaller ids. Throws Error when the logits are not finite.
TokenLogprob token_logprob(std::span<const float> logits, int32_t token, int top);

}  // namespace nibble
