#include "text/word_cache.h"

#include <algorithm>
#include <bit>

#include "text/hash.h"

namespace nibble {

namespace {

constexpr size_t kShortText = 512;
/// One entry for about this many bytes: a third of a text's words are new at first, few later on.
constexpr size_t kBytesPerEntry = 16;
constexpr size_t kMaxEntries = size_t{1} << 14;  // 1 MiB, about what the second- and third-level caches hold

}  // namespace

WordCache::WordCache(size_t text_bytes) {
  if (text_bytes >= kShortText)
    entries_.resize(std::min(std::bit_ceil(text_bytes / kBytesPerEntry), kMaxEntries));
}

WordCache::Entry& WordCache::entry_of(std::string_view word) {
  return entries_[hash_bytes(word) & (entries_.size() - 1)];
}

void WordCache::Entry::set(std::string_view other, std::span<const int32_t> other_ids) {
  size = uint8_t(other.size());
  count = uint8_t(other_ids.size());
  std::ranges::copy(other, word);
  std::ranges::copy(other_ids, ids);
}

}  // namespace nibble
