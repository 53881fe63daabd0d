#pragma once

#include <cstdint>
#include <random>
#include <span>

#include "sampling/processors.h"

namespace nibble {

/// Chooses tokens. One per sequence: it owns the random state, so that a seed repeats its answer, on
/// every machine that computes the same scores.
class Sampler {
 public:
  /// Throws Error for parameters out of their range.
  explicit Sampler(const SamplingParams& params);

  /// The next token. `logits` [vocab] is changed. Throws as process_scores.
  int32_t sample(std::span<float> logits, const TokenContext& context);
  const SamplingParams& params() const { return params_; }
  /// The seed in use: the one given, or the one that was drawn for it.
  uint64_t seed() const { return params_.seed; }

 private:
  double uniform();

  SamplingParams params_;
  std::mt19937_64 random_;
};

}  // namespace nibble
