#include "model/rope_factors.h"

#include <cmath>
#include <numbers>

namespace nibble {

std::vector<float> llama3_freq_factors(const RopeConfig& rope) {
  std::vector<float> factors(rope.dims / 2);
  const double context = rope.original_context, factor = rope.factor;
  const double low = rope.low_freq_factor, high = rope.high_freq_factor;
  for (size_t i = 0; i < factors.size(); ++i) {
    const double frequency = std::pow(double(rope.theta), -2.0 * double(i) / rope.dims);
    const double turns = context * frequency / (2 * std::numbers::pi);  // over the original context
    if (turns < low) {
      factors[i] = float(factor);
    } else if (turns > high) {
      factors[i] = 1.0f;
    } else {
      const double smooth = (turns - low) / (high - low);
      factors[i] = float(1 / ((1 - smooth) / factor + smooth));
    }
  }
  return factors;
}

}  // namespace nibble
