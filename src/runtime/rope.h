#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/model_config.h"

namespace nibble {

/// Rotary position embedding (Su et al. 2021) with the context extensions of RopeScaling, as transformers
/// defines them. Angles are computed in double for the tokens at hand, so there is no table that grows
/// with the context.
///
/// Dynamic NTK scaling makes the frequencies depend on the sequence's length. As in transformers, they
/// follow the length that a sequence has after the tokens being run, and keys that are already cached
/// stay as they were rotated: a prompt run at once matches the definition exactly, and continuing it past
/// the original context is the same approximation as there.
class Rope {
 public:
  explicit Rope(const ModelConfig& config);

  /// Rotated pairs of a head.
  size_t pairs() const { return base_.size(); }
  /// The frequencies [pairs], in radians per position, for a sequence of `length` tokens.
  std::vector<double> frequencies(uint32_t length) const;
  /// The cosines and sines [pairs] of the angles at a position, times the scaling's attention factor.
  void angles(const std::vector<double>& frequencies, uint32_t position, float* cosines, float* sines) const;
  /// Rotates the first 2 * pairs elements of a head in place.
  void rotate(float* head, const float* cosines, const float* sines) const;

 private:
  RopeConfig config_;
  uint32_t original_context_;
  double attention_factor_ = 1.0;
  std::vector<double> base_;  // [pairs], at lengths within the original context
};

}  // namespace nibble
