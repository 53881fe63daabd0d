#pragma once

#include <cmath>
#include <cstdint>
#include <span>

namespace nibble {

/// What turns a row of logits into log-probabilities: log p(i) = logits[i] - log_total.
struct LogSoftmax {
  double log_total;  ///< max + log(sum of exp(logit - max))
  int32_t best;      ///< the index of the largest logit, the first of equal ones

  /// Throws Error when the logits are not finite.
  explicit LogSoftmax(std::span<const float> logits);
};

}  // namespace nibble
