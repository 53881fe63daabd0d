#include "engine/log_softmax.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace nibble {

LogSoftmax::LogSoftmax(std::span<const float> logits) {
  best = int32_t(std::max_element(logits.begin(), logits.end()) - logits.begin());
  const float max = logits[size_t(best)];
  // Four sums, so that additions do not wait for each other; their order is fixed.
  constexpr size_t kLanes = 4;
  double sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += std::exp(logits[i + lane] - max);
  }
  for (; i < logits.size(); ++i) sums[0] += std::exp(logits[i] - max);
  log_total = max + std::log((sums[0] + sums[1]) + (sums[2] + sums[3]));
  if (!std::isfinite(log_total)) {
    fail(
        "the model's scores are not finite: its weights are damaged, or outside of what their format can "
        "hold; check the file, or try a wider type");
  }
}

}  // namespace nibble
