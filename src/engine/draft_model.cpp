#include "engine/draft_model.h"

#include <algorithm>
#include <chrono>

#include "sampling/processors.h"

namespace nibble {

DraftModel::DraftModel(Forward& forward, uint32_t capacity, uint32_t vocab)
    : forward_(forward),
      cache_(forward.model().config(), 1, std::min(capacity, forward.model().config().context_length)),
      vocab_(std::min(vocab, forward.model().config().vocab)) {}

std::vector<int32_t> DraftModel::draft(std::span<const int32_t> history, size_t most) {
  using Clock = std::chrono::steady_clock;
  const size_t known =
      size_t(std::mismatch(cached_.begin(), cached_.end(), history.begin(), history.end() - 1).first -
             cached_.begin());
  cached_.resize(known);
  cache_.truncate(0, uint32_t(known));
  std::vector<int32_t> tokens, next(history.begin() + ptrdiff_t(known), history.end());
  if (std::ranges::any_of(next, [&](int32_t id) { return uint32_t(id) >= vocab_; })) return {};
  most = std::min<size_t>(most, cache_.capacity() - std::min<size_t>(history.size(), cache_.capacity()));
  while (tokens.size() < most) {
    const auto start = Clock::now();
    std::vector<BatchToken> batch;
    for (const int32_t id : next) batch.push_back({id, 0, false});
    batch.back().wants_logits = true;
    const int32_t best = argmax(forward_.run(batch, cache_).first(vocab_));
    cached_.insert(cached_.end(), next.begin(), next.end());
    if (next.size() == 1) {
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      seconds_per_token_ += (seconds_per_token_ > 0 ? 0.1 : 1) * (seconds - seconds_per_token_);
    }
    tokens.push_back(best);
    next = {best};
  }
  return tokens;
}

}  // namespace nibble
