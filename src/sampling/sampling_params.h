#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace nibble {

/// Decoding parameters with Hugging Face's names and defaults; order and meaning as `generate`'s. The
/// penalties of presence and frequency and the bias are OpenAI's, between the repetition penalty and the
/// temperature.
struct SamplingParams {
  bool greedy = false;              ///< the largest score; of the rest only penalties and bias apply
  float temperature = 1.0f;         ///< > 0
  int top_k = 50;                   ///< 0: off
  float top_p = 1.0f;               ///< (0, 1]
  float min_p = 0.0f;               ///< [0, 1]
  float typical_p = 1.0f;           ///< (0, 1]
  float epsilon_cutoff = 0.0f;      ///< [0, 1), 0: off
  float eta_cutoff = 0.0f;          ///< [0, 1), 0: off
  float repetition_penalty = 1.0f;  ///< > 0; over prompt and answer
  float presence_penalty = 0.0f;    ///< [-2, 2], subtracted once from each token of the answer
  float frequency_penalty = 0.0f;   ///< [-2, 2], subtracted as often as the token is in the answer
  std::vector<std::pair<int32_t, float>> logit_bias;  ///< token and what is added to it, [-100, 100]
  uint64_t seed = 0;                                  ///< 0: a random one

  /// Throws Error naming the parameter, its value and what it may be.
  void check() const;
};

}  // namespace nibble
