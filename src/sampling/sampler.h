#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace nibble {

/// Decoding parameters with Hugging Face's names and defaults; order and meaning as `generate`'s.
struct SamplingParams {
  bool greedy = false;           ///< the largest score; only repetition_penalty applies
  float temperature = 1.0f;      ///< > 0
  int top_k = 50;                ///< 0: off
  float top_p = 1.0f;            ///< (0, 1]
  float min_p = 0.0f;            ///< [0, 1]
  float typical_p = 1.0f;        ///< (0, 1]
  float epsilon_cutoff = 0.0f;   ///< [0, 1), 0: off
  float eta_cutoff = 0.0f;       ///< [0, 1), 0: off
  float repetition_penalty = 1.0f;  ///< > 0
  uint64_t seed = 0;             ///< 0: a random one

  /// Throws Error naming the parameter, its value and what it may be.
  void check() const;
};

/// Chooses tokens. One per sequence: it owns the random state, so that a seed repeats its answer.
class Sampler {
 public:
  explicit Sampler(const SamplingParams& params);

  /// The next token. `logits` [vocab] is changed; `history` is the prompt and the output so far.
  int32_t sample(std::span<float> logits, std::span<const int32_t> history);
  const SamplingParams& params() const { return params_; }
  uint64_t seed() const { return seed_; }

 private:
  SamplingParams params_;
  uint64_t seed_;
  std::mt19937_64 random_;
  std::vector<float> probabilities_;
  std::vector<int32_t> order_;
};

}  // namespace nibble
