#include "quantize/smoothquant.h"

#include <algorithm>
#include <cmath>

namespace nibble {

std::vector<float> smoothquant_scales(std::span<const float> largest_inputs,
                                      std::span<const float> largest_weights, float alpha) {
  /// The authors' bound, of weights and scales: a column of zeros or a channel that is all but dead must
  /// leave a scale that can be divided by.
  constexpr float kLeast = 1e-5f;
  std::vector<float> scales(largest_inputs.size(), 1.0f);
  for (size_t j = 0; j < scales.size(); ++j) {
    if (!(largest_inputs[j] > 0)) continue;
    const float weight = std::max(largest_weights[j], kLeast);
    scales[j] = std::max(std::pow(largest_inputs[j], alpha) / std::pow(weight, 1.0f - alpha), kLeast);
  }
  return scales;
}

}  // namespace nibble
