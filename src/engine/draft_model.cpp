#include "engine/draft_model.h"

#include <algorithm>
#include <chrono>

#include "engine/common_prefix.h"
#include "engine/draft_pool.h"
#include "sampling/processors.h"

namespace nibble {

DraftModel::DraftModel(DraftPool& pool, uint32_t sequence, uint32_t capacity)
    : pool_(pool), sequence_(sequence), capacity_(capacity) {}

DraftModel::~DraftModel() {
  pool_.give_back(sequence_, kv_blocks(capacity_));
}

std::vector<int32_t> DraftModel::draft(std::span<const int32_t> history, size_t most) {
  using Clock = std::chrono::steady_clock;
  const size_t known = common_prefix(cached_, history.first(history.size() - 1));
  cached_.resize(known);
  pool_.cache_.truncate(sequence_, uint32_t(known));
  std::vector<int32_t> tokens, next(history.begin() + ptrdiff_t(known), history.end());
  if (std::ranges::any_of(next, [&](int32_t id) { return uint32_t(id) >= pool_.vocab_; })) return {};
  most = std::min<size_t>(most, capacity_ - std::min<size_t>(history.size(), capacity_));
  while (tokens.size() < most) {
    const auto start = Clock::now();
    std::vector<BatchToken> batch;
    for (const int32_t id : next) batch.push_back({id, sequence_, false});
    batch.back().wants_logits = true;
    const int32_t best = argmax(pool_.forward_.run(batch, pool_.cache_).first(pool_.vocab_));
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
