#include "text/merge_table.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/error.h"
#include "text/hash.h"

namespace nibble {

namespace {

/// Up to here scanning all pairs for the smallest rank is faster than keeping them in a heap.
constexpr size_t kShortWord = 40;

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

}  // namespace

MergeTable::MergeTable(size_t count) : slots_(std::bit_ceil(count * 2 + 2)) {}

size_t MergeTable::slot_of(uint64_t pair) const {
  size_t at = mix_bits(pair) & (slots_.size() - 1);
  while (slots_[at].pair != pair && slots_[at].pair != UINT64_MAX) at = (at + 1) & (slots_.size() - 1);
  return at;
}

void MergeTable::add(int32_t left, int32_t right, Merge merge) {
  const uint64_t pair = pair_key(left, right);
  slots_[slot_of(pair)] = {pair, merge};
}

Merge MergeTable::find(int32_t left, int32_t right) const {
  return slots_[slot_of(pair_key(left, right))].merge;
}

void MergeTable::apply(std::vector<int32_t>& symbols) const {
  if (symbols.size() < 2) return;
  symbols.size() <= kShortWord ? apply_short(symbols) : apply_long(symbols);
}

void MergeTable::apply_short(std::vector<int32_t>& symbols) const {
  Merge pairs[kShortWord];  // pairs[i]: symbols[i] with symbols[i + 1]
  size_t n = symbols.size();
  int32_t* symbol = symbols.data();
  for (size_t i = 0; i + 1 < n; ++i) pairs[i] = find(symbol[i], symbol[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == Merge::kNever) break;
    symbol[best] = pairs[best].id;
    std::copy(symbol + best + 2, symbol + n, symbol + best + 1);
    std::copy(pairs + best + 1, pairs + n - 1, pairs + best);
    --n;
    if (best + 1 < n) pairs[best] = find(symbol[best], symbol[best + 1]);
    if (best > 0) pairs[best - 1] = find(symbol[best - 1], symbol[best]);
  }
  symbols.resize(n);
}

void MergeTable::apply_long(std::vector<int32_t>& symbols) const {
  constexpr uint32_t kEnd = UINT32_MAX;
  if (symbols.size() >= kEnd) fail("a word of {} characters is too long: break the text up", symbols.size());
  const auto n = uint32_t(symbols.size());
  std::vector<uint32_t> next(n), previous(n);
  std::vector<Merge> pairs(n);  // of a symbol with the one after it
  std::vector<uint64_t> heap;   // rank, then position; entries whose pair has changed since are skipped
  heap.reserve(n);
  for (uint32_t i = 0; i < n; ++i) {
    next[i] = i + 1 < n ? i + 1 : kEnd;
    previous[i] = i > 0 ? i - 1 : kEnd;
    if (i + 1 < n) pairs[i] = find(symbols[i], symbols[i + 1]);
    if (pairs[i].rank != Merge::kNever) heap.push_back(uint64_t(pairs[i].rank) << 32 | i);
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto pair_up = [&](uint32_t at) {
    pairs[at] = next[at] == kEnd ? Merge{} : find(symbols[at], symbols[next[at]]);
    if (pairs[at].rank == Merge::kNever) return;
    heap.push_back(uint64_t(pairs[at].rank) << 32 | at);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    const uint64_t top = heap.front();
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    const auto at = uint32_t(top);
    if (pairs[at].rank != uint32_t(top >> 32)) continue;
    const uint32_t right = next[at];
    symbols[at] = pairs[at].id;
    pairs[right] = Merge{};
    next[at] = next[right];
    if (next[at] != kEnd) previous[next[at]] = at;
    pair_up(at);
    if (previous[at] != kEnd) pair_up(previous[at]);
  }
  size_t kept = 0;
  for (uint32_t i = 0; i != kEnd; i = next[i]) symbols[kept++] = symbols[i];
  symbols.resize(kept);
}

}  // namespace nibble
