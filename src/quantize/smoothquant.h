#pragma once

#include <span>
#include <vector>

/// SmoothQuant: Xiao, Lin, Seznec, Wu, Demouth and Han 2022, "SmoothQuant: Accurate and Efficient
/// Post-Training Quantization for Large Language Models" (arXiv 2211.10438).
///
/// Channels of the activations with outliers cost all others their precision where a token's activations
/// share a scale. Column j of the weights is multiplied by s_j and the input's channel j divided by it in the
/// layer before, so that a part of the difficulty moves from activations to weights (equation 4):
///   s_j = max |x_j|^alpha / max |w_j|^(1 - alpha)
namespace nibble {

struct SmoothQuantOptions {
  float alpha = 0.5f;  ///< 0: all of the difficulty stays with the activations, 1: all goes to the weights
};

/// s [cols] from the largest |x| of each channel and the largest |w| of each column over all matrices with
/// this input. Channels that were always zero get 1: nothing is known of them.
std::vector<float> smoothquant_scales(std::span<const float> largest_inputs,
                                      std::span<const float> largest_weights, float alpha);

}  // namespace nibble
