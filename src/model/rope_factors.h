#pragma once

#include <vector>

#include "model/model_config.h"

namespace nibble {

/// What llama3 rope scaling divides each frequency by, [dims / 2]: 1 where the wavelength is short, the
/// factor where it exceeds the original context, smooth between (transformers,
/// _compute_llama3_parameters). In GGUF this is the tensor rope_freqs.weight.
std::vector<float> llama3_freq_factors(const RopeConfig& rope);

}  // namespace nibble
