#include "engine/token_logprob.h"

#include <algorithm>

namespace nibble {

float logprob_of(std::span<const float> logits, const LogSoftmax& normalizer, int32_t token) {
  return float(double(logits[size_t(token)]) - normalizer.log_total);
}

std::vector<std::pair<int32_t, float>> most_probable(std::span<const float> logits,
                                                     const LogSoftmax& normalizer, int top) {
  std::vector<std::pair<int32_t, float>> best;
  const size_t count = std::min(size_t(std::max(top, 0)), logits.size());
  if (count == 0) return best;
  // A heap of the best so far with the worst of them in front: few tokens of a row get into it.
  const auto better = [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  };
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
  for (auto& [id, value] : best) value = logprob_of(logits, normalizer, id);
  return best;
}

TokenLogprob token_logprob(std::span<const float> logits, int32_t token, int top) {
  const LogSoftmax normalizer(logits);
  return {token, logprob_of(logits, normalizer, token), most_probable(logits, normalizer, top)};
}

}  // namespace nibble
