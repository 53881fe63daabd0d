#pragma once

#include <cstdint>

namespace nibble {

/// Decoding parameters with Hugging Face's names and defaults; order and meaning as `generate`'s.
struct SamplingParams {
  bool greedy = false;              ///< the largest score; only repetition_penalty applies
  float temperature = 1.0f;         ///< > 0
  int top_k = 50;                   ///< 0: off
  float top_p = 1.0f;               ///< (0, 1]
  float min_p = 0.0f;               ///< [0, 1]
  float typical_p = 1.0f;           ///< (0, 1]
  float epsilon_cutoff = 0.0f;      ///< [0, 1), 0: off
  float eta_cutoff = 0.0f;          ///< [0, 1), 0: off
  float repetition_penalty = 1.0f;  ///< > 0
  uint64_t seed = 0;                ///< 0: a random one

  /// Throws Error naming the parameter, its value and what it may be.
  void check() const;
};

}  // namespace nibble
