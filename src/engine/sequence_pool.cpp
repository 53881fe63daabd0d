#include "engine/sequence_pool.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "base/error.h"
#include "engine/common_prefix.h"

namespace nibble {

namespace {

/// Kept sequences for each running one. Each costs a row of a table; their memory is the blocks'.
constexpr uint32_t kKeptPerRunning = 4;

/// What each further answer needs of its own.
uint64_t fork_blocks(const CacheDemand& demand) {
  return kv_blocks(demand.most_tokens) - demand.prompt / kKvBlock;
}

uint64_t all_blocks(const CacheDemand& demand) {
  return kv_blocks(demand.most_tokens) + (demand.sequences - 1) * fork_blocks(demand);
}

}  // namespace

SequencePool::SequencePool(Forward& forward, uint32_t running, uint32_t capacity, uint32_t blocks,
                           KvType type)
    : forward_(forward),
      max_running_(running),
      longest_shared_(std::numeric_limits<uint32_t>::max()),
      cache_(forward.model().config(), running * (1 + kKeptPerRunning), capacity, type, blocks),
      slots_(cache_.sequences()) {
  const RopeConfig& rope = forward.model().config().rope;
  if (rope.scaling == RopeScaling::dynamic) longest_shared_ = uint32_t(rope.original_context);
}

void SequencePool::check(const CacheDemand& demand) const {
  if (demand.sequences > max_running_) {
    fail(
        "the request asks for {} answers or beams, but at most {} are computed at the same time: ask for "
        "fewer, or raise --max-sequences",
        demand.sequences, max_running_);
  }
  if (all_blocks(demand) > cache_.total_blocks()) {
    fail(
        "the request may need {} tokens of the KV cache, which has {}: ask for fewer new tokens or answers, "
        "or raise --cache-memory",
        all_blocks(demand) * kKvBlock, uint64_t(cache_.total_blocks()) * kKvBlock);
  }
}

bool SequencePool::fits(const CacheDemand& demand, std::span<const int32_t> prompt) const {
  // Whole blocks below a sequence's length stay as they are, and may be shared; from there on each running
  // sequence counts as if it had all its blocks for itself.
  uint64_t sequences = demand.sequences, blocks = all_blocks(demand);
  std::vector<bool> in_use(cache_.total_blocks(), false);
  const auto count_whole = [&](uint32_t slot, uint32_t length) {
    for (const uint32_t block : cache_.blocks(slot).first(length / kKvBlock)) {
      if (!in_use[block]) ++blocks;
      in_use[block] = true;
    }
  };
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.use != Use::runs) continue;
    sequences += 1 + slot.forks;
    count_whole(i, cache_.length(i));
    blocks += kv_blocks(slot.most_tokens) - cache_.length(i) / kKvBlock;
    blocks += uint64_t(slot.forks) * slot.fork_blocks;
  }
  if (sequences > max_running_) return false;
  if (const Match match = demand.reuses ? best_match(prompt) : Match{}; match.length > 0) {
    count_whole(match.slot, match.length);
    blocks -= match.length / kKvBlock;
  }
  return blocks <= cache_.total_blocks();
}

SequencePool::Match SequencePool::best_match(std::span<const int32_t> prompt) const {
  Match best;
  if (prompt.size() > longest_shared_) return best;
  // The last token is computed in any case, for its logits.
  const auto most = prompt.first(prompt.size() - 1);
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.use == Use::free || slot.tokens.size() > longest_shared_) continue;
    const auto length = uint32_t(common_prefix(slot.tokens, most));
    if (length > best.length) best = {i, length};
  }
  return best;
}

bool SequencePool::evict() {
  uint32_t oldest = uint32_t(slots_.size());
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].use != Use::kept) continue;
    if (oldest == slots_.size() || slots_[i].last_use < slots_[oldest].last_use) oldest = i;
  }
  if (oldest == slots_.size()) return false;
  clear(oldest);
  return true;
}

void SequencePool::clear(uint32_t slot) {
  cache_.truncate(slot, 0);
  slots_[slot] = {};
}

uint32_t SequencePool::take_slot() {
  const auto is_free = [](const Slot& slot) { return slot.use == Use::free; };
  auto slot = std::find_if(slots_.begin(), slots_.end(), is_free);
  if (slot == slots_.end()) {
    if (!evict()) throw std::logic_error("more running sequences than were admitted");
    slot = std::find_if(slots_.begin(), slots_.end(), is_free);
  }
  slot->use = Use::runs;
  ++running_;
  return uint32_t(slot - slots_.begin());
}

uint32_t SequencePool::begin(const CacheDemand& demand, std::span<const int32_t> prompt) {
  const Match match = demand.reuses ? best_match(prompt) : Match{};
  uint32_t sequence = match.slot;
  if (match.length > 0 && slots_[match.slot].use == Use::kept &&
      slots_[match.slot].tokens.size() == match.length) {
    // Goes on where that one ended.
    slots_[sequence].use = Use::runs;
    ++running_;
  } else {
    sequence = take_slot();
    if (demand.reuses) reuse(sequence, prompt);
  }
  Slot& slot = slots_[sequence];
  slot.most_tokens = demand.most_tokens;
  slot.forks = demand.sequences - 1;
  slot.fork_blocks = uint32_t(fork_blocks(demand));
  return sequence;
}

void SequencePool::reuse(uint32_t sequence, std::span<const int32_t> prompt) {
  const Match match = best_match(prompt);
  if (match.length <= cache_.length(sequence)) return;
  cache_.copy_prefix(match.slot, sequence, match.length);
  const auto known = std::span(slots_[match.slot].tokens).first(match.length);
  slots_[sequence].tokens.assign(known.begin(), known.end());
  slots_[match.slot].last_use = ++clock_;
}

uint32_t SequencePool::fork(uint32_t from) {
  if (slots_[from].forks == 0) throw std::logic_error("more forks than were admitted");
  --slots_[from].forks;
  const uint32_t sequence = take_slot();
  slots_[sequence].most_tokens = slots_[from].most_tokens;
  replace(sequence, from);
  return sequence;
}

void SequencePool::replace(uint32_t sequence, uint32_t by) {
  cache_.copy_prefix(by, sequence, cache_.length(by));
  slots_[sequence].tokens = slots_[by].tokens;
}

void SequencePool::truncate(uint32_t sequence, uint32_t length) {
  cache_.truncate(sequence, length);
  slots_[sequence].tokens.resize(cache_.length(sequence));
}

void SequencePool::end(uint32_t sequence) {
  Slot& slot = slots_[sequence];
  --running_;
  if (slot.tokens.empty() || slot.tokens.size() > longest_shared_) return clear(sequence);
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    Slot& other = slots_[i];
    if (other.use != Use::kept) continue;
    const auto common = uint32_t(common_prefix(slot.tokens, other.tokens));
    if (common == slot.tokens.size()) {
      other.last_use = ++clock_;
      return clear(sequence);
    }
    if (common == other.tokens.size()) clear(i);
  }
  slot.use = Use::kept;
  slot.forks = 0;
  slot.last_use = ++clock_;
}

void SequencePool::make_space(std::span<const BatchToken> batch) {
  added_.assign(slots_.size(), 0);
  for (const BatchToken& token : batch) ++added_[token.sequence];
  const auto needed = [&] {
    uint32_t blocks = 0;
    for (uint32_t i = 0; i < slots_.size(); ++i) blocks += cache_.new_blocks(i, cache_.length(i) + added_[i]);
    return blocks;
  };
  // Of sequences that share their last block all but one copy it, which needed() does not know: so the last
  // kept sequence may go too early, and none that runs lacks a block.
  while (cache_.free_blocks() < needed() && evict()) {
  }
}

void SequencePool::run(std::span<const BatchToken> batch,
                       const std::function<void(std::span<float>)>& on_logits,
                       const std::function<void(std::span<const float>)>& on_hidden) {
  make_space(batch);
  forward_.run(batch, cache_, on_logits, on_hidden);
  for (const BatchToken& token : batch) slots_[token.sequence].tokens.push_back(token.id);
}

}  // namespace nibble
