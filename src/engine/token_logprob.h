#pragma once

#include <cstdint>
#include <span>

#include "engine/engine.h"
#include "engine/log_softmax.h"

namespace nibble {

/// The token's log-probability in a row of logits [vocab], and the `top` most probable ones, of equal ones
/// those with smaller ids. Throws Error when the logits are not finite.
TokenLogprob token_logprob(std::span<const float> logits, int32_t token, int top);

/// For several tokens of one row: the log-probability of each, and once the most probable ones.
float logprob_of(std::span<const float> logits, const LogSoftmax& normalizer, int32_t token);
std::vector<std::pair<int32_t, float>> most_probable(std::span<const float> logits,
                                                     const LogSoftmax& normalizer, int top);

}  // namespace nibble
