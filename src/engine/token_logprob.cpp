#include "engine/token_logprob.h"

#include <algorithm>

#include "engine/log_softmax.h"

namespace nibble {

TokenLogprob token_logprob(std::span<const float> logits, int32_t token, int top) {
  const LogSoftmax normalizer(logits);
  const auto logprob = [&](float logit) { return float(double(logit) - normalizer.log_total); };
  TokenLogprob result{token, logprob(logits[size_t(token)]), {}};
  const size_t count = std::min(size_t(std::max(top, 0)), logits.size());
  if (count == 0) return result;
  // A heap of the best so far with the worst of them in front: few tokens of a row get into it.
  const auto better = [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  };
  auto& best = result.top;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (best.size() == count) {
      if (logits[id] <= best.front().second) continue;
      std::pop_heap(best.begin(), best.end(), better);
      best.pop_back();
    }
    best.emplace_back(int32_t(id), logits[id]);
    std::push_heap(best.begin(), best.end(), better);
  }
  std::sort_heap(best.begin(), best.end(), better);
  for (auto& entry : best) entry.second = logprob(entry.second);
  return result;
}

}  // namespace nibble
