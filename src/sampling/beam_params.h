#pragma once

#include <cstdint>

#include "sampling/sampling_params.h"

namespace nibble {

/// When a beam search that has found num_beams complete answers ends: `off` as soon as no running beam can
/// do better at its present length, `on` at once, `never` only when none can do better at any length.
enum class EarlyStopping { off, on, never };

/// Beam search and group beam search, with Hugging Face's names and defaults.
struct BeamParams {
  uint32_t num_beams = 1;        ///< [1, 256]; 1: no beam search
  uint32_t num_beam_groups = 1;  ///< a divisor of num_beams; above 1: diverse beam search (arXiv 1610.02424)
  float diversity_penalty = 0;   ///< >= 0; only with groups
  float length_penalty = 1;      ///< answers are ranked by sum of log-probabilities / length^length_penalty
  EarlyStopping early_stopping = EarlyStopping::off;
  uint32_t num_return_sequences = 1;  ///< of a beam search: the best answers, at most num_beams

  bool searches() const { return num_beams > 1; }
  /// Throws Error that names the settings which are out of their range or contradict each other.
  void check(const SamplingParams& sampling) const;
};

}  // namespace nibble
